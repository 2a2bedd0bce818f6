"""The templates of pages, which lie beside this file and may be made of each other, as their style sheets are."""

import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

DIRECTORY = Path(__file__).parent
"""Of the templates, and of the style sheets of what they are made of, which other pages link."""

PLACES = re.compile(r"(?<=[._:/=(])(?!\d)(?=.)")
"""Where a word may be broken that is wider than its line; not within a number."""


def whole(text: str) -> Markup:
    """The text as HTML that is broken between its words, and within one only where it is wider than the line.

    A browser would break "--seed" and "digits-1.csv" at their hyphens, and a long name between any two letters.
    """
    return Markup(" ").join(map(_kept, text.split(" ")))


def _kept(word: str) -> Markup:
    parts = PLACES.split(word)
    if len(parts) == 1 and "-" not in word:
        return escape(word)
    return Markup('<span class="whole">{}</span>').format(Markup("<wbr>").join(parts))


def get(name: str) -> jinja2.Template:
    """A template by its file's name; see `environment`."""
    return environment().get_template(name)


def environment(*before: Path) -> jinja2.Environment:
    """Where templates are found; every text that is put in is escaped, and one that is missing is an error.

    Args:
        before: directories that are looked into first.
    """
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*before, DIRECTORY]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["whole"] = whole
    return found
