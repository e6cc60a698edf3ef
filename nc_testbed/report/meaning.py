"""What the metrics of a report mean, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterable

MEANING = {
    "tail_recall": "share of held-out real rows of the rarest third of the classes that samples "
    "still reach; it falls as rare things are lost",
    "modes_captured": "modes of the true mixture that still get a fifth of their rows",
    "recall": "share of held-out real rows that samples still reach",
    "heterozygosity": "chance that two draws differ; 0 once one symbol is left",
    "variance": "variance of the fitted law; 0 once it is a point",
    "precision": "share of samples that look real; it can rise while rare things are lost, so "
    "never read it alone",
    "high_quality_share": "share of samples within three standard deviations of a true mode; it "
    "says nothing of modes that are lost",
    "coverage": "share of real rows with a sample nearby, of all classes together",
    "frechet": "distance between real and synthetic rows in a classifier's features; less is "
    "better",
    "sliced_w2": "distance between the real and the synthetic cloud of points; less is better",
    "exact_kl": "KL divergence of the fit from the known law; less is better",
    "kl": "KL divergence of the fitted law from the true one; less is better",
}


def meanings(names: Iterable[str]) -> list[tuple[str, str]]:
    """Name and sentence of the metrics that have one.

    >>> [name for name, _ in meanings(["heterozygosity", "of_ones_own"])]
    ['heterozygosity']
    """
    return [(name, MEANING[name]) for name in names if name in MEANING]
