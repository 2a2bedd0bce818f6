// Luigi's page asks everything by GET. Here GET changes nothing: it asks by POST, with the token of this server.
"use strict";

const token = document.querySelector('meta[name="token"]').content;

jQuery.ajaxPrefilter(options => {
  if (options.url.includes("/api/")) {
    options.type = "POST";
    options.headers = { ...options.headers, "X-Deeptrain-Token": token };
  }
});

addEventListener("load", () => {
  const list = document.querySelector(".navbar-nav, .navbar .nav");
  if (list) {
    const entry = document.createElement("li");
    const link = document.createElement("a");
    link.href = "/";
    link.textContent = "Runs of the store";
    entry.append(link);
    list.append(entry);
  }
});
