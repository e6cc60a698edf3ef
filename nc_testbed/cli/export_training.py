"""``export data=..``: a chain's training rows, for a model of the user's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_testbed.cli.ruler_words import compose_words, read_chain, split_words
from nc_testbed.config.output_dir import output
from nc_testbed.core.cache import caching
from nc_testbed.core.errors import BadInput, require

if TYPE_CHECKING:
    import numpy as np

    from nc_testbed.data.source import Data


def export_training(words: Sequence[str]) -> None:
    """Write the rows that generation 0 of a chain is fitted to; print where they lie.

    x is as ``data=arrays`` reads it: uint8 images ``[n, H, W]`` or ``[n, C, H, W]``,
    vectors float64 ``[n, D]`` in the units that the source has; y its labels, classes
    0..C-1 where these are no numbers.
    Raises BadInput before anything is written.
    """
    texts, passed = split_words(words, ("out", "chain"), ("data", "seed", "extensions"))
    file = Path(texts.get("out", ""))
    named = file.suffix == ".npz" and len(os.fsencode(file.name)) < 200
    require(named, "out", file, "name a file that ends in .npz")
    folder = output("out", file.parent)
    require(folder.is_dir(), "out", file, f"{folder} is not there: make it first")
    chain = read_chain(texts.get("chain"))
    with caching():
        config = compose_words(passed)

        from nc_testbed.run.ruler import prepare_ruler  # torch: not for a word that is wrong

        ruler = prepare_ruler({**config, "chains": chain + 1})
        arrays = _training_arrays(ruler.source, ruler.data, chain)
    path = folder / file.name
    _write(path, arrays)
    shape = list(arrays["x"].shape)
    labels = f" and y of {len(ruler.data.classes)} classes" if "y" in arrays else ""
    print(f"{path}: x {shape} {arrays['x'].dtype}{labels}, training rows of chain {chain}")


def _training_arrays(source: Any, data: Data, chain: int) -> dict[str, np.ndarray]:
    """x and, where there are classes, y of a chain's training rows."""
    import numpy as np

    from nc_testbed.data.real_source import RealSource
    from nc_testbed.data.samples import class_of_label

    positions = data.training[chain].cpu()
    space = data.space
    if isinstance(source, RealSource):
        space = source.original_space()
        x = source.original_rows(positions.numpy())
    else:
        x = data.rows_of(chain).cpu()[positions].numpy()
    arrays = {"x": x.reshape(len(x), *space.event)}
    if data.y is not None:
        classes = data.y[0 if data.has_shared_rows else chain].cpu()[positions].numpy()
        arrays["y"] = np.array(list(class_of_label(data.classes)))[classes]
    return arrays


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """The file, there as a whole or not at all."""
    import numpy as np

    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}.npz")
    try:
        np.savez(temporary, **arrays)  # ty: ignore[invalid-argument-type]
        temporary.replace(path)
    except OSError as error:
        raise BadInput("out", path, f"cannot be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
