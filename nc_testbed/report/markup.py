"""Parts of a self-contained page: every text escaped, every picture inside, no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib import rc_context
from matplotlib.figure import Figure

COLOURS = {
    "supported": "#00795a",
    "pass": "#00795a",
    "refuted": "#b34700",
    "fail": "#b34700",
    "holds only if": "#005a8f",
}
"""Of verdicts; white letters on any of them can be read, and the word is always there."""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1rem;
  color: #1a1a1a; background: #fff; overflow-wrap: break-word }
h1 { font-size: 1.5rem; line-height: 1.25 } h2 { font-size: 1.15rem; margin: 0 0 .3rem }
h3 { font-size: 1rem; margin: 1rem 0 .2rem }
section { border-top: 1px solid #ccc; padding: 1.2rem 0 }
.verdict { color: #fff; border-radius: .3rem; padding: .05rem .5rem; font-weight: 600;
  white-space: nowrap }
.wide { overflow-x: auto } img { max-width: 100%; height: auto } .wide img { min-width: 44rem }
.panels { display: flex; flex-wrap: wrap; gap: .8rem; margin: .6rem 0 }
.panels img { flex: 0 1 23rem; min-width: 0 }
.stories { padding-left: 1.2rem } .stories li { margin: .3rem 0 }
table { border-collapse: collapse; font-size: .9rem; margin: .4rem 0 }
td, th { padding: .2rem .8rem .2rem 0;
  text-align: left; vertical-align: top; border-bottom: 1px solid #eee }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums }
td.long { overflow-wrap: anywhere; min-width: 14rem }
code { font-size: .85rem; overflow-wrap: anywhere } p { margin: .4rem 0 } .small { color: #555;
  font-size: .9rem } summary { cursor: pointer }
@media print { .wide { overflow: visible } .wide img { min-width: 0 }
  table { min-width: 0 !important }
  img, tr { break-inside: avoid } .verdict { color: #000; border: 1px solid #000 } }
"""


class Html(str):
    """Text that is markup already; any other text is escaped where it becomes a part of a page."""


def text(value: object) -> Html:
    """A value as a part of a page.

    >>> text("a < b"), text(Html("<b>a</b>"))
    ('a &lt; b', '<b>a</b>')
    """
    return value if isinstance(value, Html) else Html(escape(str(value)))


def document(title: str, body: str) -> str:
    """A whole page; nothing in it is fetched from anywhere."""
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
    return f"{head}{body}</body></html>\n"


def element(name: str, content: object, attributes: str = "") -> Html:
    """One element around text or markup.

    >>> element("p", "1 < 2"), element("p", Html("<b>1</b>"), "class='small'")
    ('<p>1 &lt; 2</p>', "<p class='small'><b>1</b></p>")
    """
    return Html(f"<{name}{' ' if attributes else ''}{attributes}>{text(content)}</{name}>")


def joined(parts: Iterable[object], between: str = "") -> Html:
    """Texts or markup, one after the other."""
    return Html(text(between).join(text(part) for part in parts))


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Html:
    """A table that scrolls in a box of its own; short cells with a number keep to one line."""
    body = [joined(element("th", cell) for cell in header)]
    body += [joined(_cell(cell) for cell in row) for row in rows]
    lines, least = joined(element("tr", line) for line in body), min(40, 6 * len(header))
    rows = element("table", lines, f"style='min-width: {least}rem'")
    return element("div", rows, "class='wide'")


def badge(verdict: str) -> Html:
    """A verdict as a coloured word."""
    colour = COLOURS.get(verdict, "#555")
    return element("span", verdict, f"class='verdict' style='background:{colour}'")


def image(data: bytes, alt: str, kind: str = "png") -> Html:
    """A picture, inside the page."""
    return Html(f"<img alt='{escape(alt)}' src='{address(data, kind)}'>")


def address(data: bytes, kind: str = "png") -> str:
    """The bytes of a picture as an address that needs no network."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def drawn(figure: Figure, kind: str = "png", dpi: int = 150) -> bytes:
    """A figure as the bytes of its file, ``png`` or ``svg``; the same figure, the same bytes."""
    stream, undated = io.BytesIO(), {"Date": None} if kind == "svg" else None
    with rc_context({"svg.hashsalt": "nc_testbed"}):
        figure.savefig(stream, format=kind, dpi=dpi, metadata=undated)
    return stream.getvalue()


def _cell(value: object) -> Html:
    """Short cells with a number keep to one line, long words are broken."""
    content = text(value)
    if isinstance(value, Html) or len(content) <= 28:
        number = not isinstance(value, Html) and any(c.isdigit() for c in content)
        return element("td", content, "class='number'" if number else "")
    return element("td", content, "" if " " in content else "class='long'")
