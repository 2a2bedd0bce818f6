// Looks at this page again and again and puts in what changed; says what a person says to a training.
// Nothing is drawn here: the page is whole without it, and only stands still.
"use strict";

const QUICK = 1000, SLOW = 5000; // milliseconds between two looks
const SHARE = 10; // at most one part in so many of the time is spent looking
const MOST_ANSWERS = 6;
const HEARS = ["training", "paused"], AT_WORK = ["starting", ...HEARS]; // states

let token = document.querySelector('meta[name="token"]').content;
let last = "";
const known = new Map();
const away = document.getElementById("away");
const controls = document.getElementById("controls");
const answers = document.getElementById("answers");

const parts = where => [...where.querySelectorAll("[data-live]")];
for (const part of parts(document)) known.set(part.dataset.live, part.outerHTML);

function busy() {
  const state = document.querySelector("[data-state]");
  return state ? AT_WORK.includes(state.dataset.state) : document.querySelector(AT_WORK.map(one => ".state." + one).join());
}

// A part takes the place of another; what a person had chosen, opened, scrolled or focused in it stays.
function swap(old, fresh) {
  const inside = "a, button, input, summary, [tabindex]";
  const focused = [...old.querySelectorAll(inside)].indexOf(document.activeElement);
  const chosen = [...old.querySelectorAll("input:checked")].map(one => one.value);
  for (const one of fresh.querySelectorAll("input")) one.checked = chosen.includes(one.value);
  const opened = [...old.querySelectorAll("details")];
  fresh.querySelectorAll("details").forEach((one, at) => { one.open = opened[at]?.open ?? false; });
  const scrolled = [...old.querySelectorAll(".scroll, pre")].map(one => [one.scrollLeft, one.scrollTop]);
  old.replaceWith(fresh);
  fresh.querySelectorAll(".scroll, pre").forEach((one, at) => { if (scrolled[at]) [one.scrollLeft, one.scrollTop] = scrolled[at]; });
  if (focused >= 0) fresh.querySelectorAll(inside)[focused]?.focus();
}

function put(fresh) {
  token = fresh.querySelector('meta[name="token"]')?.content ?? token;
  document.title = fresh.title;
  const here = new Map(parts(document).map(part => [part.dataset.live, part]));
  for (const part of parts(fresh)) {
    const html = part.outerHTML, old = here.get(part.dataset.live);
    if (old && known.get(part.dataset.live) !== html) swap(old, document.adoptNode(part));
    known.set(part.dataset.live, html);
  }
  const rows = document.querySelector("[data-rows]"), now = fresh.querySelector("[data-rows]");
  if (rows && now) arrange(rows, [...new DOMParser().parseFromString(last, "text/html").querySelectorAll("[data-rows] > tr")]);
  const empty = fresh.querySelector(".empty"), old = document.querySelector(".empty");
  if (old && !empty) old.remove();
}

// Rows in the order they have now; those that stay where they are keep the focus.
function arrange(rows, wanted) {
  const here = new Map([...rows.children].map(row => [row.dataset.live, row]));
  const names = new Set(wanted.map(row => row.dataset.live));
  for (const [name, row] of here) if (!names.has(name)) { row.remove(); known.delete(name); }
  wanted.forEach((row, at) => {
    const there = rows.children[at];
    if (there?.dataset.live !== row.dataset.live) {
      rows.insertBefore(here.get(row.dataset.live) ?? document.adoptNode(row), there ?? null);
    }
  });
}

function steer() {
  if (!controls) return;
  const state = document.querySelector("[data-state]").dataset.state;
  const hears = HEARS.includes(state);
  controls.hidden = !hears && !answers.children.length;
  for (const button of controls.querySelectorAll("button")) {
    const word = button.dataset.say;
    button.disabled = !hears || (word === "pause" && state === "paused") || (word === "resume" && state !== "paused");
  }
}

async function look() {
  try {
    const response = await fetch(location.href, { cache: "no-cache" });
    const text = await response.text();
    if (!response.ok) throw new Error(response.statusText);
    away.hidden = true;
    if (text !== last) {
      last = text;
      put(new DOMParser().parseFromString(text, "text/html"));
      steer();
    }
  } catch (error) {
    away.textContent = "The server does not answer; what stands here is how it was. Trainings go on without it.";
    away.hidden = false;
  }
}

async function say(text, button, to = controls?.dataset.messages) {
  const line = document.createElement("li"), word = document.createElement("b"), answer = document.createElement("span");
  word.textContent = text;
  answer.textContent = "…";
  line.append(word, answer);
  answers.prepend(line);
  while (answers.children.length > MOST_ANSWERS) answers.lastChild.remove();
  button.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(to, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Deeptrain-Token": token },
      body: JSON.stringify({ text }),
    });
    const type = response.headers.get("Content-Type") ?? "";
    const told = type.startsWith("application/json") ? await response.json() : { error: (await response.text()).slice(0, 200) };
    answer.textContent = told.answer ?? told.error;
    answer.className = told.error ? "ill" : "";
  } catch (error) {
    answer.textContent = "the server does not answer";
    answer.className = "ill";
  }
  button.removeAttribute("aria-busy");
  await look();
}

if (controls) {
  for (const button of controls.querySelectorAll("[data-say]")) {
    button.addEventListener("click", () => say(button.dataset.say, button));
  }
  const rate = document.getElementById("rate");
  rate.addEventListener("submit", event => {
    event.preventDefault();
    say(`lr ${document.getElementById("lr").value.trim()}`, rate.querySelector("button"));
  });
  steer();
}

const start = document.getElementById("start");
if (start) {
  start.hidden = false;
  start.addEventListener("submit", event => {
    event.preventDefault();
    say(document.getElementById("experiment").value, start.querySelector("button"), "/start");
  });
}

const compare = document.getElementById("compare");
if (compare) {
  const chosen = () => { compare.disabled = document.querySelectorAll('input[name="run"]:checked').length < 2; };
  document.addEventListener("change", chosen);
  chosen();
}

(async function again(took) {
  await new Promise(done => setTimeout(done, Math.max(busy() ? QUICK : SLOW, SHARE * took)));
  const begun = performance.now();
  if (!document.hidden) await look();
  again(performance.now() - begun);
})(0);
