"""A picture of a report: the bytes of its files, and what it shows in words."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure's files, ``{kind: bytes}`` of png, svg or gif, and its text."""

    files: dict[str, bytes]
    alt: str

    def url(self, kind: str) -> str:
        """One of the files as an address that needs no network."""
        return f"data:image/{kind};base64,{base64.b64encode(self.files[kind]).decode()}"


def as_picture(figure: Figure, alt: str) -> Picture:
    """A figure as png and svg."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # laid out once, not again for every kind of file
    return Picture({kind: figure_bytes(figure, kind) for kind in ("png", "svg")}, alt)


def figure_bytes(figure: Figure, kind: str = "png", dpi: int = 150) -> bytes:
    """A figure's file, ``png`` or ``svg``; the same figure, the same bytes."""
    stream = io.BytesIO()
    # An svg holds its date and random names of its parts unless it is told otherwise.
    metadata = {"Date": None} if kind == "svg" else None
    with rc_context({"svg.hashsalt": "nc_testbed"}):
        figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata)
    return stream.getvalue()
