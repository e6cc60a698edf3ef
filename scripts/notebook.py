"""Run notebooks anew: ``python scripts/notebook.py docs/notebooks/first_look.ipynb``."""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def executed(file: Path, folder: str) -> nbformat.NotebookNode:
    """The notebook with the outputs of its cells, run one after the other in an empty folder.

    Raises CellExecutionError where a cell fails. Nothing of the machine, its time or its Python is
    kept beside the outputs, and this Python's own commands are found first.
    """
    notebook = nbformat.read(file, as_version=4)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
            record_timing=False,
            coalesce_streams=True,
        )
        client.execute()
    finally:
        os.environ["PATH"] = before
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(executed(Path(name), folder), name)
        print(name)
