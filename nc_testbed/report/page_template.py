"""Pages from jinja2 templates: self-contained, every text of a run escaped, no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"
"""The page's frame, its style, and the parts that all pages share."""
COLOURS_OF_VERDICTS = {
    "supported": "#00795a",
    "pass": "#00795a",
    "refuted": "#b34700",
    "fail": "#b34700",
    "holds only if": "#005a8f",
}
"""White letters on any of them can be read, and the word is always there."""
SHORT = 28
"""Characters up to which a cell with a number keeps to one line."""


def render_page(folder: Path, template: str, **content: Any) -> str:
    """A page of a template in a folder; the shared parts are found beside it.

    Everything in ``content`` is text and escaped: none of it becomes markup.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,  # a name that is not there is an error, not an empty text
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell_class"] = cell_class
    environment.filters["verdict_colour"] = verdict_colour
    return environment.get_template(template).render(**content)


def cell_class(value: object) -> str:
    """How a table's cell is broken: short ones with a number are not, long words are.

    >>> cell_class("0.5 [0.4, 0.6]"), cell_class("coverage"), cell_class("0123456789abcdef" * 4)
    ('number', '', 'long')
    """
    text = str(value)
    if len(text) <= SHORT:
        return "number" if any(letter.isdigit() for letter in text) else ""
    return "" if " " in text else "long"


def verdict_colour(kind: str) -> str:
    """The colour of a verdict's word; grey for one that decides nothing."""
    return COLOURS_OF_VERDICTS.get(kind, "#555")
