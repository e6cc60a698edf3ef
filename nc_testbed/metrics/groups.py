"""How metrics are ordered and grouped wherever a person sees them."""

from __future__ import annotations

import re
from collections.abc import Iterable

HEADLINES = ("tail_recall", "modes_captured", "recall", "heterozygosity", "variance")
"""What a run is judged by, the first of these that was measured: all fall as a chain collapses."""

OVERALL = ("coverage", "frechet", "sliced_w2", "exact_kl", "kl")
"""The overall quality shown beside the headline, the first of these that was measured."""

FAMILIES = (
    ("7 fit", r"^fit_"),
    ("6 classes", r"_rank_\d+$"),
    ("1 tail", r"^tail_|^extinct|^absorbed|^alive_classes|^missing_mass"),
    ("2 quality", r"precision|recall|density|coverage|frechet|kid|w2|high_quality_share"),
    ("3 likelihood", r"nll|elbo|iwae|kl$"),
    ("4 diversity", r"spread|vendi|effective|modes|variance|heterozygosity"),
    ("5 labels", r"mass|confidence|accept|^tv"),
)
"""Group and pattern, the first match wins; what matches none is ``8 other``."""


def family(name: str) -> str:
    """The group a metric is shown in.

    >>> family("tail_recall"), family("recall_rank_9"), family("of_ones_own")
    ('1 tail', '6 classes', '8 other')
    """
    found = (group for group, pattern in FAMILIES if re.search(pattern, name))
    return next(found, "8 other")


def headline(names: Iterable[str]) -> str | None:
    """The metric a run is judged by, or None if it measured none of :data:`HEADLINES`."""
    return _first(HEADLINES, names)


def beside(names: Iterable[str]) -> list[str]:
    """Headline, precision and one overall quality, as far as measured: read them together.

    Precision and the overall figures can rise while the tail dies.

    >>> beside(["frechet", "precision", "coverage", "tail_recall"])
    ['tail_recall', 'precision', 'coverage']
    """
    present = list(names)
    chosen = [headline(present), _first(("precision", "high_quality_share"), present)]
    chosen.append(_first(OVERALL, present))
    return [name for name in chosen if name is not None]


def thirds(names: Iterable[str]) -> list[str]:
    """Recall of the commonest classes, of those between and of the rarest: one chart.

    >>> thirds(["tail_recall", "recall", "head_recall"]), thirds(["recall"])
    (['head_recall', 'tail_recall'], [])
    """
    present = set(names)
    return [x for x in ("head_recall", "medium_recall", "tail_recall") if x in present]


def ordered(names: Iterable[str]) -> list[str]:
    """The names in reading order: those of :func:`beside`, then by family, each as it came."""
    present = list(names)
    first = beside(present)
    rest = [name for name in present if name not in first]
    return first + sorted(rest, key=family)


def _first(wanted: Iterable[str], names: Iterable[str]) -> str | None:
    present = set(names)
    return next((name for name in wanted if name in present), None)
