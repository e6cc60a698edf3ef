"""Manifests: what a folder of the record holds, and which one came before it."""

from __future__ import annotations

import hashlib
import json
import platform
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

import nc_testbed
from nc_testbed.config.config_file import LARGEST

NAME = "manifest.json"
SYNTHETIC = "synthetic.safetensors"
"""The one file that may be gone where ``store`` is last or none: weights draw it
again."""


@dataclass(frozen=True)
class FolderCheck:
    """What a look at a folder found.

    manifest: its content, None where it does not verify. digest: the sha256 of the
    manifest's bytes, by which the next folder names this one. faults: why the folder is
    not part of the record. extra: what else lies in it.
    """

    manifest: dict[str, Any] | None = None
    digest: str | None = None
    faults: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def seal(content: Mapping[str, Any]) -> bytes:
    """A manifest's bytes; its last entry is the sha256 of the bytes without it.

    >>> unseal(seal({"generation": 3}))["generation"]
    3
    """
    digest = hashlib.sha256(_json(content)).hexdigest()
    return _json({**content, "sha256": digest})


def unseal(data: bytes) -> dict[str, Any]:
    """The content of :func:`seal`; raises ValueError where a byte is not as it was
    written."""
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict | None):
        raise ValueError("not a manifest")
    if seal({k: v for k, v in content.items() if k != "sha256"}) != data:
        raise ValueError("altered")
    return content


def entry(data: bytes) -> dict[str, Any]:
    """What a manifest says of a file."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def writer_versions(device: str | None) -> dict[str, str | None]:
    """What decides of bytes beside settings and data: software and device."""
    return {
        "nc_testbed": nc_testbed.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
        "device": device,
    }


def read_manifest(folder: Path) -> FolderCheck:
    """A folder's manifest alone."""
    file = folder / NAME
    try:
        if not is_regular_file(file):
            return FolderCheck(faults=(f"{NAME} is missing",))
        if file.stat().st_size > LARGEST:
            return FolderCheck(faults=(f"{NAME} is altered",))
        data = file.read_bytes()
        return FolderCheck(unseal(data), hashlib.sha256(data).hexdigest())
    except OSError as error:
        return FolderCheck(faults=(f"{NAME} cannot be read ({error.strerror})",))
    except ValueError:
        return FolderCheck(faults=(f"{NAME} is altered",))


def inspect(
    folder: Path, generation: int | None, parent: str | None, config: str
) -> FolderCheck:
    """A folder of the record, held against its manifest, its number, its parent's sha256
    and the hash of the run's settings; parent None: not known, since what came before is
    damaged.

    Sizes are checked before anything is read. Names of files outside the folder, and
    links, are faults.
    """
    finding = read_manifest(folder)
    if finding.manifest is None:
        return finding
    manifest = finding.manifest
    faults = []
    if manifest.get("config") != config:
        faults.append(f"{NAME}: made with other settings")
    if manifest.get("generation") != generation:
        faults.append(f"{NAME}: swapped, it belongs to generation {manifest.get('generation')}")
    elif parent is not None and manifest.get("parent") != parent:
        faults.append(f"{NAME}: swapped, it follows another generation than the one before it")
    files = manifest.get("files") or {}
    stores_all = manifest.get("store", "all") == "all"
    for name, recorded in files.items():
        fault = _fault(folder, name, recorded, name == SYNTHETIC and not stores_all)
        faults += [fault] if fault else []
    present = (path.name for path in sorted(folder.iterdir()))
    extra = tuple(name for name in present if name not in (*files, NAME))
    return FolderCheck(manifest, finding.digest, tuple(faults), extra)


def _fault(
    folder: Path, name: str, recorded: Mapping[str, Any], may_be_gone: bool
) -> str | None:
    """What is wrong with a file that a manifest names, None where nothing is."""
    file = folder / name
    if Path(name).name != name or name in (".", "..", NAME):
        return f"{NAME}: names {name!r}, which is no file of this folder"
    try:
        if not is_regular_file(file):
            return None if may_be_gone and not file.is_symlink() else f"{name} is missing"
        size = file.stat().st_size
        if size < recorded["bytes"]:
            return f"{name} is truncated, {size} of {recorded['bytes']} bytes"
        if size > recorded["bytes"]:
            return f"{name} is altered, {size} bytes instead of {recorded['bytes']}"
        with open(file, "rb") as opened_file:
            digest = hashlib.file_digest(opened_file, "sha256").hexdigest()
        return None if digest == recorded["sha256"] else f"{name} is altered"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    except (KeyError, TypeError, ValueError):
        return f"{NAME}: does not say what {name!r} is"


def is_regular_file(file: Path) -> bool:
    """Whether it is a file, and no link to one."""
    try:
        return stat.S_ISREG(file.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()
