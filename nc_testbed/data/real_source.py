"""Sources of real rows: images and tables that all
chains share, split once and for all."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import torch

from nc_testbed.core.cache import from_cache
from nc_testbed.core.errors import require
from nc_testbed.core.machine import total
from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.imbalance import rarity_ranks, reserve_counts, training_counts
from nc_testbed.data.ranges import check_at_least, check_range
from nc_testbed.data.representation import Standardization, binarize, project, sha256
from nc_testbed.data.rows import Rows
from nc_testbed.data.source import Data
from nc_testbed.data.split import Split, draw_rows, split_rows


@dataclass(frozen=True, kw_only=True)
class RealSource(ABC):
    """Settings common to all real data; a source adds how its rows are read.

    rows: training rows per chain (None: all that fit). imbalance_ratio: ratio >= 1 of the
    commonest to the rarest class, which rotates over chains (None: natural shares).
    test_rows: rows per class never trained on (None: where the source has a test file, all
    that balance allows of as large a part of the pool of both files, else a fifth of the
    smallest class, or of all rows where there are no labels).
    reserve: share in [0, 1) of what remains, per class, kept unseen for FRESH anchors.
    binarize: pixels drawn as 0 or 255. projection: principal axes to keep (None: no PCA).
    Raises BadInput where one is out of range.
    """

    rows: int | None = None
    imbalance_ratio: float | None = None
    test_rows: int | None = None
    reserve: float = 0.2
    binarize: bool = False
    projection: int | None = None

    def __post_init__(self) -> None:
        check_at_least("rows", self.rows, 1)
        check_at_least("test_rows", self.test_rows, 1)
        check_at_least("projection", self.projection, 1)
        check_range("imbalance_ratio", self.imbalance_ratio, 1)
        check_range("reserve", self.reserve, 0, 1)
        ok = not self.binarize or self.projection is None
        remedy = "give null, or data.binarize=false"
        require(ok, "projection", self.projection, remedy)

    @abstractmethod
    def read(self) -> Rows:
        """All rows, unsplit; raises BadInput where they cannot be read."""

    def load(self, chains: int, seed: int, fresh: int, generations: int) -> Data:
        """The rows for chains 0..chains-1; see :class:`nc_testbed.data.source.Source`.

        What is held out, in reserve and for training is the same for every seed. A chain
        draws its rows without replacement from the training part, and its reserve, of the
        same class law, from the reserve part. Raises BadInput where a setting does not
        fit the data.
        """
        rows, split, x, held_out, calibrators, space = self._cached_split()
        _check_chains(chains, x)
        y = rows.labels[split.pool]
        sizes = rows.sizes(y[split.training])
        spare = rows.sizes(y[split.reserve])
        ranks = rarity_ranks(sizes, self.imbalance_ratio, chains)
        counts = training_counts(sizes, ranks, self.rows, self.imbalance_ratio)
        training = draw_rows(split.training, y, counts, seed, "rows")
        counts = reserve_counts(spare, ranks, self.imbalance_ratio)
        reserve = draw_rows(split.reserve, y, counts, seed, "reserve")
        data = Data(
            name=rows.name,
            space=space,
            x=torch.from_numpy(x)[None],
            training=torch.from_numpy(training),
            reserve=torch.from_numpy(reserve),
            held_out=torch.from_numpy(held_out),
            calibrators=torch.from_numpy(calibrators),
            classes=rows.classes,
            referee_rows=torch.from_numpy(split.training),
            record=self._record(rows, split, x, held_out)
            | {"rows_per_chain": training.shape[1]},
        )
        return data if rows.y is None else _with_labels(data, y, split, ranks)

    def original_space(self) -> Space:
        """The space of the rows as they are read, before any projection."""
        return self._cached_split()[0].space

    def original_rows(self, positions: np.ndarray) -> np.ndarray:
        """Rows ``[m, D]`` at these positions in the pool in the units they are read in,
        neither standardised nor projected."""
        rows, split, *_ = self._cached_split()
        return rows.x[split.pool[positions]]

    def grey_pool(self) -> np.ndarray | None:
        """The pool's rows ``[N, D]`` before their pixels were drawn as 0 or 255, None where
        none were drawn."""
        return self.read().x[self._cached_split()[1].pool] if self.binarize else None

    def represent(self, x: np.ndarray) -> np.ndarray:
        """Rows ``[M, D]`` in the units they are read in, as held-out rows are stored."""
        rows, split, *_ = self._cached_split()
        return self._represent(rows, replace(split, held_out=x))[1]

    def _cached_split(
        self,
    ) -> tuple[Rows, Split, np.ndarray, np.ndarray, np.ndarray, Space]:
        """What :meth:`_split` gives, once a command."""
        # By the repr: settings of an extension need not be hashable, and equal ones print alike.
        return from_cache((type(self), repr(self)), self._split)

    def _split(self) -> tuple[Rows, Split, np.ndarray, np.ndarray, np.ndarray, Space]:
        """What no seed and no chain changes: the rows,
        their parts, and how they are stored."""
        rows = self._read_binarized()
        split = split_rows(rows, self.test_rows, self.reserve)
        if rows.standardize:
            rows, split = _standardize(rows, split)
        x, held_out, space = self._represent(rows, split)
        measured = replace(split, held_out=split.calibrators)
        return rows, split, x, held_out, self._represent(rows, measured)[1], space

    def _read_binarized(self) -> Rows:
        """The rows as read, binarised if asked for."""
        rows = self.read()
        if rows.y is None:
            remedy = f"give null: {rows.name} has no labels"
            require(
                self.imbalance_ratio is None,
                "imbalance_ratio",
                self.imbalance_ratio,
                remedy,
            )
        if not self.binarize:
            return rows
        require(rows.space.image, "binarize", "true", f"give false: {rows.name} has no pixels")
        draws = RandomStreams(0, (SHARED,))("binarize")
        return replace(rows, x=binarize(rows.x, draws))

    def _represent(self, rows: Rows, split: Split) -> tuple[np.ndarray, np.ndarray, Space]:
        """Pool and held-out rows as they are stored, and their space.

        Axes are those of the pool alone.
        """
        x = rows.x[split.pool]
        held_out = split.held_out
        space = rows.space
        if self.projection is not None:
            scale = 255.0 if space.image else 1.0
            x, held_out = project(x / scale, held_out / scale, self.projection)
            space = Space((self.projection,), image=False)
        return x, held_out, space

    def _record(
        self, rows: Rows, split: Split, x: np.ndarray, held_out: np.ndarray
    ) -> dict[str, object]:
        """What was read and how it was split, for the run's provenance."""
        pooled = {} if rows.test_share is None else {"files": "pooled and shuffled"}
        return (
            rows.record
            | pooled
            | {
                "source": rows.name,
                "x_sha256": sha256(x),
                "referee_rows_sha256": _sha256_of_lessons(rows, split, x),
                "held_out_sha256": sha256(held_out),
                "split": {
                    "held_out": len(held_out),
                    "calibrators": len(split.calibrators),
                    "reserve": len(split.reserve),
                    "training": len(split.training),
                },
                "binarize": self.binarize,
                "projection": self.projection,
            }
        )


def _standardize(rows: Rows, split: Split) -> tuple[Rows, Split]:
    """All rows in standard deviations from the mean of those that chains may train on.

    Held-out rows and the reserve have no say in it; the record tells the units.
    """
    units = Standardization.of(rows.x[split.pool[split.training]])
    record = rows.record | {"standardized": units.as_record()}
    held_out = units.apply(split.held_out)
    calibrators = units.apply(split.calibrators)
    return (
        replace(rows, x=units.apply(rows.x), record=record),
        replace(split, held_out=held_out, calibrators=calibrators),
    )


def _sha256_of_lessons(rows: Rows, split: Split, x: np.ndarray) -> str:
    """Hash of the rows that a referee may learn from, and of their classes."""
    lessons = sha256(x[split.training]) + sha256(rows.labels[split.pool[split.training]])
    return hashlib.sha256(lessons.encode()).hexdigest()


def _with_labels(data: Data, y: np.ndarray, split: Split, ranks: np.ndarray) -> Data:
    """The data with the fields that only labelled sources fill."""
    C = ranks.shape[1]
    counts = np.stack([np.bincount(y[chain], minlength=C) for chain in data.training.numpy()])
    return replace(
        data,
        y=torch.from_numpy(y)[None],
        held_out_y=torch.from_numpy(split.held_out_y),
        calibrators_y=torch.from_numpy(split.calibrators_y),
        shares=torch.from_numpy(counts / data.training.shape[1]),  # [R, C]
        rank=torch.from_numpy(ranks),
    )


def _check_chains(chains: int, x: np.ndarray) -> None:
    """Refuse more chains than memory has room for,
    before rows are drawn for every one of them."""
    needed = chains * x.nbytes
    memory = total(torch.device("cpu"))
    sizes = f"{needed / 2**30:.3g} GiB of {memory / 2**30:.3g}"
    remedy = f"as many rows for each take {sizes}: give fewer"
    require(needed <= memory / 2, "chains", chains, remedy)
