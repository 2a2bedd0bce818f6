"""The templates of pages, which lie beside this file and may be made of each other."""

from pathlib import Path

import jinja2


def get(name: str) -> jinja2.Template:
    """A template by its file's name; every text that is put in is escaped, and one that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
