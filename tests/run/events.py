"""Invented generations, and what is found in the event files of a run."""

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nc_testbed.core.interfaces import Generation


def events(directory) -> EventAccumulator:
    return EventAccumulator(str(directory), {"scalars": 0, "images": 0, "tensors": 0}).Reload()


def series(found: EventAccumulator, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in found.Scalars(tag)}


def record(chains: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    names = ("recall", "tail_coverage", "fidelity", "frechet")
    return {name: torch.from_numpy(rng.random(chains)) for name in names}


def measured(g: int, values=None, pictures=None, rows=None) -> Generation:
    return Generation(g, {}, record() if values is None else values, rows, pictures)


def rare(dies: int | None, generations: int = 4) -> list[dict[str, torch.Tensor]]:
    """Records of three chains with a head, a medium and a rare class, which dies in chain 1."""
    records = []
    for g in range(generations):
        alive = torch.tensor([1.0, float(dies is None or g < dies), 1.0]).double()
        ranks = [f"{name}_rank_{i}" for name in ("coverage", "matched") for i in range(2)]
        names = ("head_coverage", "medium_coverage", *ranks)
        coverage = dict.fromkeys(names, torch.full((3,), 0.9).double())
        rare_ones = ("tail_coverage", "coverage_rank_2", "matched_rank_2")
        coverage |= dict.fromkeys(rare_ones, 0.8 * alive)
        mass = {f"accepted_rank_{i}": torch.full((3,), 300.0) for i in range(2)}
        mass |= {"tail_mass": alive, "accepted_rank_2": 100 * alive}
        records.append(coverage | mass | {"fidelity": torch.tensor([0.9, 0.8, 0.7])})
    return records


FACTS = {"event": [8, 8], "evaluation_rows": 1000, "covered_rows": [50] * 3}
FACTS |= {"rank_to_class": [[0, 1, 2]] * 3}
