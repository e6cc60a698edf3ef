"""From a resolved configuration to a checked run: nothing here writes a file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from nc_testbed.data.source import Data
from nc_testbed.loop import World
from nc_testbed.metrics.evaluation import Metric, Reference, missing
from nc_testbed.metrics.referee import Plain, referee_for
from nc_testbed.settings import Settings, build, build_target, nearest
from nc_testbed.types import BadInput, Model, Policy, require

GROUPS = ("data", "model", "policy", "metrics")


@dataclass(frozen=True)
class Prepared:
    """A run whose settings have been checked against each other and against its data."""

    settings: Settings
    data: Data
    model: Model
    policy: Policy
    metrics: dict[str, Metric]
    n: int
    evaluation_rows: int
    device: torch.device

    def world(self, say: Callable[[str], None]) -> World:
        """The loop's world; reads the referee, or trains it and says so."""
        s = self.settings
        data = _to(self.data, self.device)
        referee = referee_for(self.data, say).to(self.device)
        return World(
            data=data,
            model=self.model,
            policy=self.policy,
            metrics=self.metrics,
            reference=Reference.build(data, referee, self.evaluation_rows),
            sampling=s.sampling,
            seed=s.seed,
            chains=s.chains,
            generations=s.generations,
            n=self.n,
            budget=s.budget,
            evaluation_rows=self.evaluation_rows,
            at_once=s.compute.chains,
        )


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Check every key, type, range and combination, and read the data.

    Raises BadInput with the full key. ``config`` holds plain values: the run's settings and the
    groups data, model, policy ({_target_, ...}) and metrics ({name: {_target_, ...}}).
    """
    rest = {key: value for key, value in config.items() if key not in GROUPS}
    names = [*GROUPS, *(f.name for f in dataclasses.fields(Settings))]
    for key in rest:
        require(key in names, key, rest[key], nearest(key, names))
    settings: Settings = build(Settings, rest)
    source, model, policy = (
        build_target(config[group], group, settings.extensions) for group in GROUPS[:3]
    )
    device = _device(settings.device)
    data = _load(source, settings, 0)
    real = data.training.shape[1]
    n = settings.n or real
    with_group("policy", policy.check, n, settings.budget, real)
    with_group("model", model.check, data.space)
    fresh = policy.fresh_rows(n, settings.budget)
    if data.law is not None and fresh:
        data = _load(source, settings, fresh)
    _check_reserve(data, fresh, settings.generations)
    metrics = _metrics(config["metrics"], settings, data, model)
    rows = settings.evaluation.rows or evaluation_rows(data)
    Reference.build(data, Plain(), rows)  # refuses too few rows before a referee is trained
    return Prepared(settings, data, model, policy, metrics, n, rows, device)


def with_group(group: str, check: Any, *arguments: Any) -> Any:
    """Call a check; a complaint gets the group's name before its key."""
    try:
        return check(*arguments)
    except BadInput as error:
        raise error.within(group) from None


def evaluation_rows(data: Data) -> int:
    """100 / (share of the rarest class), at least 1000: power is what makes an alarm early."""
    if data.shares is None:
        return 1000
    return max(1000, math.ceil(100 / float(data.shares.min())))


def _load(source: Any, settings: Settings, fresh: int) -> Data:
    chains, generations = settings.chains, settings.generations
    return with_group("data", source.load, chains, settings.seed, fresh, generations)


def _check_reserve(data: Data, fresh: int, generations: int) -> None:
    """Refuse a run that needs more never-used real rows than there are."""
    held, later = data.reserve.shape[1], generations - 1
    if fresh * later > held:
        remedy = (
            f"{later} generations need {fresh * later} never-used real rows and the reserve "
            f"holds {held}; the largest k that fits is {held // later}, or raise data.reserve, "
            "or use policy.source=pool"
        )
        raise BadInput("policy.k", fresh, remedy)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("device", name, "no GPU is visible here; use device=cpu or device=auto")
    return torch.device(name)


def _metrics(
    group: Mapping[str, Any], settings: Settings, data: Data, model: Model
) -> dict[str, Metric]:
    """The metrics asked for; ``auto`` leaves out what cannot apply, a list is refused for it."""
    group = dict(group)
    auto = group.pop("auto", False)
    offers = data.offers | model.offers
    chosen = {}
    for name, node in group.items():
        if not isinstance(node, Mapping):
            raise BadInput(f"metrics.{name}", node, "give the name of a metric: metrics=[recall]")
        metric = build_target(node, f"metrics.{name}", settings.extensions)
        lacks = missing(metric, offers)
        if not lacks:
            chosen[name] = metric
        elif not auto:
            remedy = f"cannot apply here, it needs {', '.join(sorted(lacks))}; leave it out"
            raise BadInput("metrics", name, remedy)
    return chosen


def _to(data: Data, device: torch.device) -> Data:
    """The data with every tensor on the device."""
    moved = {
        f.name: getattr(data, f.name).to(device)
        for f in dataclasses.fields(data)
        if isinstance(getattr(data, f.name), torch.Tensor)
    }
    return dataclasses.replace(data, **moved)
