"""The directory of a sweep's job: named by what is
swept over and by a hash of all its settings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_testbed.config.config_file import FREE, settings_hash

LONGEST = 100
"""Bytes of a name that say what is swept over; what
is cut off the hash still tells apart."""
DIGITS = 12
"""Hexadecimal digits of the hash: 10^4 jobs have two alike with a chance of 2 in 10^7."""


def directory_name(
    config: Mapping[str, Any], label: str, overrides: Sequence[str], left_out: Sequence[str]
) -> str:
    """``<label>-<hash>``, the same for the same settings whatever the number of the job.

    label: the overrides that are swept over. overrides, left_out: all of the job's, and
    the keys of those that are not swept over. A key that decides no generation's result
    (``generations``, ``store``, ...) is in the hash only where it is swept over:
    elsewhere a job may go on under another value.

    >>> name = directory_name({"seed": 1}, "policy.k=1/2,seed=1", ["seed=1"], [])
    >>> name == f"policy.k=1_2,seed=1-{settings_hash({'seed': 1})[:12]}"
    True
    """
    free = sorted(text for text in overrides if _free(text, left_out))
    digest = settings_hash(config)
    if free:
        digest = hashlib.sha256(json.dumps([digest, *free]).encode()).hexdigest()
    return "-".join([*filter(None, [readable(label)]), digest[:DIGITS]])


def _free(override: str, left_out: Sequence[str]) -> bool:
    key = override.lstrip("+~").partition("=")[0]
    return key.partition(".")[0] in FREE and key not in left_out


def readable(label: str) -> str:
    """A label as part of a file's name.

    >>> readable("model.hidden=[8,16],data.path='a b/c'"), len(readable("é" * 100).encode())
    ('model.hidden=_8,16_,data.path=_a_b_c_', 100)
    """
    plain = re.sub(r"[^\w=,.+-]", "_", label)
    return plain.encode()[:LONGEST].decode(errors="ignore")


def existing_name(folder: Path, name: str) -> str:
    """The name of the directory in a sweep's folder that has the same hash, else this
    name.

    Labels differ where the same settings were once swept over and once given.
    """
    digest = name[-DIGITS:]
    names = sorted(path.name for path in folder.glob(f"*{digest}") if path.is_dir())
    return names[0] if names and name not in names else name


def alike(folder: Path, name: str) -> list[Path]:
    """The other directories of a sweep that
    have the same label, and so other settings."""
    label = re.escape(name[:-DIGITS])
    form = re.compile(f"{label}[0-9a-f]{{{DIGITS}}}")
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.name != name and form.fullmatch(path.name)]
