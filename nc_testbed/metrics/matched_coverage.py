"""Matched coverage: the headline, which nothing that is lost leaves as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from nc_testbed.core.machine import each
from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, rank_columns
from nc_testbed.metrics.matching import Ruler
from nc_testbed.metrics.reference import Reference

THIRDS = "matched coverage: head, medium, tail"
"""The chart in which common and rare classes are compared."""


@dataclass(frozen=True)
class ClassRulers:
    """What real rows read, for every chain and class.

    samples ``[R, C]``: how many of a chain's samples each class is measured on, the first
    so many of them. expected ``[R, C]``: rows of the class that a perfect fit has among
    them. rulers: of every class and number of expected rows.
    """

    samples: Tensor
    expected: Tensor
    rulers: dict[tuple[int, float], Ruler]


class ClassRows(NamedTuple):
    """Features of the rows of a class that are to be covered, and of calibrators that the
    referee labels as it, which are a share ``right`` of all."""

    covered: Tensor
    calibrators: Tensor
    right: float


def _class_rulers(reference: Reference) -> ClassRulers:
    """Every chain's rulers; those of equal classes and numbers are made once.

    A class of N_c covered rows is read on at most N_c / 2 expected rows, so that every
    sample can find a row of its own: of a common class fewer samples are taken.
    """
    rows = reference.once(_rows_of_classes)
    most = torch.tensor([len(of_class.covered) / 2 for of_class in rows])
    shares = reference.shares.cpu()
    samples = (most / shares).clamp(max=reference.rows).floor()
    expected = samples * shares
    keys = sorted({(c, m) for row in expected.tolist() for c, m in enumerate(row)})

    def ruler(key: tuple[int, float]) -> Ruler:
        of_class = rows[key[0]]
        return Ruler(of_class.covered, of_class.calibrators, of_class.right, key[1])

    rulers = each(ruler, keys, reference.data.x.device)
    return ClassRulers(samples.long(), expected, dict(zip(keys, rulers, strict=True)))


def _rows_of_classes(reference: Reference) -> list[ClassRows]:
    return [_class_rows(reference, c) for c in range(reference.shares.shape[1])]


def _class_rows(reference: Reference, c: int) -> ClassRows:
    """The real rows of a class: calibrators of their own, or half of those held out."""
    rows = reference.groups[c]
    if len(reference.calibrators_of(c)) < len(rows) / 2:
        streams = RandomStreams(0, (SHARED,), device=rows.device)
        order = streams(f"metrics/matched/{c}").permutation(len(rows))[0]
        half = (len(rows) + 1) // 2
        covered = rows[order[:half]]
        others = reference.depths[rows[order[half:]]]
    else:
        covered = rows
        others = reference.calibrators_of(c)
    is_right = torch.ones_like(others[:, 0], dtype=torch.bool)
    if reference.has_labels:
        classification = reference.referee.classify(others)
        is_right = (classification.label == c) & ~classification.is_none
    right = float(is_right.double().mean())
    return ClassRows(reference.deep[covered], reference.to_deep(others[is_right]), right)


def covered_rows(reference: Reference) -> list[int]:
    """How many rows of each class are to be covered: the trials of ``matched_rank_i``."""
    return [len(rows.covered) for rows in reference.once(_rows_of_classes)]


@dataclass(frozen=True)
class MatchedCoverage:
    """How much of each class's held-out rows the samples cover, one row for every sample.

    Samples that the referee labels as class c, exact repeats dropped, have balls whose
    radius is the distance to their nearest neighbour among them, at most the .9 quantile
    of what as many real rows have. S is the size of a largest matching of samples with
    held-out rows in their balls (strict <), over the number of those rows, and f(u) the
    mean S of real rows, u times as many as a perfect fit has. The score is ``f^-1(S)``, u
    from 0 to 2: 1 for a perfect fit, 0 for a class that is gone. A sample covers one row
    only, and a ball no wider than a real one: rows that are few, repeated, contracted, or
    junk cannot raise it (derived; counted coverage of Naeem et al., 2020,
    https://arxiv.org/abs/2002.09797, rises as rows contract).
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "head_coverage": Column(
            "matched coverage, mean over the commonest third of the classes",
            low=0,
            high=2,
            worse="lower",
            group="2 quality",
            chart=THIRDS,
        ),
        "medium_coverage": Column(
            "matched coverage, mean over the classes between the thirds",
            low=0,
            high=2,
            worse="lower",
            group="2 quality",
            chart=THIRDS,
        ),
        "tail_coverage": Column(
            "matched coverage, mean over the rarest third of the classes, only where classes "
            "are rare: what is still made of rare things, 1 for as much as real rows have",
            low=0,
            high=2,
            worse="lower",
            group="1 tail",
            chart=THIRDS,
            headline=1,
        ),
        "matched_coverage": Column(
            "of all classes at their shares in the training law, of each at most 1, so that none "
            "makes up for another: a little below 1 for a perfect fit; without labels of all "
            "rows together",
            low=0,
            high=2,
            worse="lower",
            group="2 quality",
            headline=3,
            overall=1,
        ),
        "coverage_rank_i": Column(
            "matched coverage of the class of rarity rank i, 0 the commonest",
            low=0,
            high=2,
            worse="lower",
            group="6 classes",
        ),
        "matched_rank_i": Column(
            "S of the class: share of its held-out rows that are matched; times their number "
            "the hits that the tail alarm watches",
            low=0,
            high=1,
            worse="lower",
            group="6 classes",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        reference = evaluation.reference
        classes = reference.once(_class_rulers)
        # Before chains are shared out: what is kept must not be made on every core.
        labels = torch.where(evaluation.is_none, -1, evaluation.labels)
        depths = evaluation.depths

        def one(r: int) -> tuple[Tensor, Tensor]:
            return _read_chain(reference, classes, r, labels[r], depths[r])

        device = evaluation.rows.device
        read = each(one, range(evaluation.chains), device)
        matched = torch.stack([shares for shares, _ in read]).to(device)
        scores = torch.stack([scores for _, scores in read]).to(device)
        if not reference.has_labels:
            return {"matched_coverage": scores[:, 0]}
        overall = {"matched_coverage": (scores.clamp(max=1) * reference.shares).sum(1)}
        thirds = ("tail", "medium", "head")
        return (
            rank_columns("coverage", scores, reference, thirds)
            | rank_columns("matched", matched, reference, thirds=())
            | overall
        )


def _read_chain(
    reference: Reference, classes: ClassRulers, chain: int, labels: Tensor, depths: Tensor
) -> tuple[Tensor, Tensor]:
    """Matched shares and scores of one chain's classes, ``[C]`` float64 on the CPU.

    labels ``[M]``: of its samples, -1 for those of no class. depths: their features ``[M,
    G]``.
    """
    matched = []
    scores = []
    for c, m in enumerate(classes.expected[chain].tolist()):
        members = (labels[: int(classes.samples[chain, c])] == c).nonzero()[:, 0]
        ruler = classes.rulers[c, m]
        share = ruler.matched_share(reference.to_deep(depths[members]))
        matched.append(share)
        scores.append(ruler.score(share))
    return (
        torch.tensor(matched, dtype=torch.float64),
        torch.tensor(scores, dtype=torch.float64),
    )
