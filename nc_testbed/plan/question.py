"""What is asked, and the run that has to be made to answer it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nc_testbed.config.build import build, nearest
from nc_testbed.config.compose import STUDY, compose_config, configurations, parse
from nc_testbed.core.errors import BadInput, require

CHAINS = 16
"""Chains by default where every row is drawn: an autoencoder's bias must cost minutes."""


@dataclass(frozen=True)
class PlanQuestion:
    """The keys of a plan.

    tolerance: largest root-mean-square distance from the truth that is allowed once the
    chain is stationary, > 0, in units of the metric. metric: a column, None = the
    headline (of a family its ``mean``). probability: with which the tail class is to be
    in a training set, in (0, 1). tail: its share, in (0, 1), None = that of the rarest
    class. verify: also sweep k. source: of the real rows. generations: at most so many in
    a verifying run, None = by what they cost.
    """

    tolerance: float
    metric: str | None = None
    probability: float = 0.95
    tail: float | None = None
    verify: bool = False
    source: Literal["fresh", "pool"] = "fresh"
    generations: int | None = None

    def __post_init__(self) -> None:
        require(self.tolerance > 0, "tolerance", self.tolerance, "give a number > 0")
        valid = 0 < self.probability < 1
        require(valid, "probability", self.probability, "give a number above 0 and below 1")
        valid = self.tail is None or 0 < self.tail < 1
        require(valid, "tail", self.tail, "give a share above 0 and below 1, or null")
        valid = self.generations is None or self.generations >= 2
        require(valid, "generations", self.generations, "give at least 2, or null")


PLAN_KEYS = tuple(f.name for f in dataclasses.fields(PlanQuestion))
SET = ("policy", "record", "budget", "hydra", *STUDY)
"""Keys that the plan itself sets."""


@dataclass(frozen=True)
class Request:
    """A question, and the overrides of the runs that answer it."""

    question: PlanQuestion
    overrides: tuple[str, ...]
    chains_given: bool

    def config(self, *more: str) -> dict[str, Any]:
        """Plain settings of a run of these overrides and ``more``."""
        chains = () if self.chains_given else (f"chains={CHAINS}",)
        with configurations():
            config = _compose([*chains, *self.overrides, *more])
        return {key: value for key, value in config.items() if key not in STUDY}


def parse_request(words: Sequence[str]) -> Request:
    """Split a command line into the plan's own keys and the settings of its runs.

    Raises BadInput for what cannot be read, an unknown name, and keys that the plan
    itself sets.
    """
    keys: dict[str, Any] = {}
    passed = []
    for word, override in zip(words, parse(words), strict=True):
        key = override.key_or_group
        value = word.partition("=")[2]
        remedy = "a plan answers one question: give one value"
        require(not override.is_sweep_override(), key, value, remedy)
        remedy = "a plan runs replace and answers for anchor: leave it out"
        require(key.partition(".")[0].partition("@")[0] not in SET, key, value, remedy)
        if key in PLAN_KEYS:
            keys[key] = override.value()
        else:
            passed.append(word)
    remedy = "say how far from the truth is allowed, in units of the metric: tolerance=0.1"
    require("tolerance" in keys, "tolerance", "", _misspelt(passed) or remedy)
    chains = any(word.startswith("chains=") for word in passed)
    return Request(build(PlanQuestion, keys), tuple(passed), chains)


def _misspelt(passed: Sequence[str]) -> str | None:
    """A remedy where a key is nearly ``tolerance``."""
    keys = [word.partition("=")[0] for word in passed]
    close = difflib.get_close_matches("tolerance", keys, n=1)
    if not close:
        return None
    return f"is missing; {close[0]} is not a key, did you mean tolerance?"


def _compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The composed configuration; unknown names are held against the plan's own keys
    too."""
    try:
        return compose_config(overrides)
    except BadInput as error:
        close = difflib.get_close_matches(error.key, PLAN_KEYS, n=1)
        if close:
            raise BadInput(error.key, error.value, nearest(error.key, PLAN_KEYS)) from None
        raise
