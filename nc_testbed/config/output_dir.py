"""Where things lie: the configuration files, and whatever a command writes.

One rule for every verb: a relative path follows the folder the user stands in; where
nothing is said, output lies in ``outputs/`` of the checkout, or of the folder where there
is no checkout.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from nc_testbed.core.errors import require

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent
CONF = ROOT / "conf" if (ROOT / "conf" / "config.yaml").is_file() else PACKAGE / "conf"
HOME = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
"""The folder of ``outputs/``."""
LONGEST = 255
"""Bytes of a file's name, on the file systems in use."""


def output(key: str, path: str | Path) -> Path:
    """The directory that a path names; raises BadInput for one that cannot be meant.

    An absolute path is taken at its word. A relative one must stay below the working
    directory or ``outputs/``, with every ``..`` and link followed: what escapes is
    refused.

    >>> output("out", "here/report") == Path.cwd() / "here" / "report"
    True
    """
    text = os.fspath(path)
    require(text.strip() != "" and "\0" not in text, key, path, "give a directory")
    short = all(len(os.fsencode(part)) <= LONGEST for part in Path(text).parts)
    remedy = f"no file system has such long names: {LONGEST} bytes at most"
    require(short and len(os.fsencode(text)) < 4096, key, path, remedy)
    absolute = Path(os.path.abspath(text))
    if not os.path.isabs(text):
        real = Path(os.path.realpath(text))
        roots = (os.path.realpath(root) for root in (Path.cwd(), HOME / "outputs"))
        inside = any(real.is_relative_to(root) for root in roots)
        remedy = (
            f"leads out of the working directory, to {real}: give the absolute path to mean it"
        )
        require(inside, key, path, remedy)
    existing = next(p for p in (absolute, *absolute.parents) if os.path.lexists(p))
    require(existing.is_dir(), key, path, f"{existing} is no directory: name another")
    return absolute


def output_of(verb: str, out: str | None) -> Path:
    """The directory of ``out=``, or a new one, named by the time, in ``outputs/VERB``."""
    # Two that start within a second have different ends.
    stamp = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(4)}"
    return output("out", HOME / "outputs" / verb / stamp if out is None else out)


def check_places(launch: Mapping[str, Any]) -> None:
    """Raise BadInput where Hydra's settings would make a run or a sweep write where
    nobody looks.

    launch: Hydra's own settings, resolved, by their dotted key.
    """
    for key in ("job.name", "output_subdir"):
        name = launch[key]
        plain = name is None or (name not in (".", "..", "") and not re.search(r"[/\0]", name))
        remedy = "give a plain name, without a directory"
        require(plain and len(str(name)) < 200, f"hydra.{key}", name, remedy)
    output("hydra.run.dir", str(launch["run.dir"]))
    sweep = output("hydra.sweep.dir", str(launch["sweep.dir"]))
    subdir = str(launch["sweep.subdir"])
    job = sweep / subdir
    inside = os.path.isabs(subdir) or job.resolve().is_relative_to(sweep.resolve())
    remedy = "leads out of hydra.sweep.dir: give an absolute path to mean it"
    require(inside, "hydra.sweep.subdir", subdir, remedy)
    output("hydra.sweep.subdir", job)
