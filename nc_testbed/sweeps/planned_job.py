"""A job of a sweep before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PlannedJob:
    """A job: its settings, what of its configuration belongs to the study, its directory,
    and the manifest of the finished run that lies there already, if one does."""

    config: dict[str, Any]
    study: dict[str, Any]
    path: Path
    manifest: dict[str, Any] | None
