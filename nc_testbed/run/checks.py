"""Checks of settings against each other that rows and statistics share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nc_testbed.config.settings import Settings
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.interfaces import Policy, Stepwise
from nc_testbed.core.machine import Compute, no_message, total
from nc_testbed.core.space import Space
from nc_testbed.families.estimator import FamilyModel

PAYS = 10_000_000
"""Updates of chains from which on compiling a loss for a GPU pays: it takes half a minute, and in a
sketch of this step on an H100, 64 chains at once, it saved 3 microseconds an update and chain."""


def with_group(group: str, check: Any, *arguments: Any) -> Any:
    """Call a check; a complaint gets the group's name before its key."""
    try:
        return check(*arguments)
    except BadInput as error:
        raise error.within(group) from None


def check_policy(policy: Policy, drawn: Sequence[int], settings: Settings) -> None:
    """Refuse what a policy cannot serve; ``drawn`` are the rows of every generation."""
    later = sorted(set(drawn[1 : settings.generations] or drawn[1:]))
    for n in later:
        with_group("policy", policy.check, n, settings.budget, drawn[0])
    takes = [policy.real_row_budget(n, settings.budget) for n in later]
    remedy = "the real rows of a generation would change with it: give policy.k"
    require(all(take == takes[0] for take in takes), "n", later, remedy)


def check_stream(model: Any, policy: Policy, settings: Settings) -> None:
    """Refuse to draw batches afresh for models and policies that need rows to stay."""
    if not settings.stream:
        return
    name = type(model).__name__
    remedy = (
        f"{name} is not trained in steps, it needs a finite set; give false and raise n instead"
    )
    require(isinstance(model, Stepwise), "stream", True, remedy)
    ok = settings.sampling.draw != "statistics"
    require(ok, "sampling.draw", "statistics", "a stream is made of rows; give rows, or auto")
    name = type(policy).__name__
    remedy = (
        f"{name} looks back on more than the last synthetic set; use replace, anchor or augment"
    )
    require(policy.window == 1, "stream", True, remedy)
    remedy = f"{name} judges rows one by one and fresh ones are not there yet; use another policy"
    require(not policy.needs_classifier, "stream", True, remedy)


def check_family(
    model: FamilyModel, drawn: Sequence[int], settings: Settings, policy: Policy
) -> None:
    """Refuse samples that are too small for an estimator, and ways of sampling it has not."""
    sampling, family = settings.sampling, model.family()
    ok = sampling.decode == "sample"
    remedy = "this model has no decoder; give sample"
    require(ok, "sampling.decode", sampling.decode, remedy)
    ok = sampling.temperature == 1 or family.tempers
    remedy = f"a {type(family).__name__} at another temperature is none; give 1"
    require(ok, "sampling.temperature", sampling.temperature, remedy)
    budget = settings.budget
    whole = len(set(drawn)) == 1 and budget is None and not policy.real_row_budget(drawn[1], None)
    remedy = "the same rows x need equal samples that are kept whole: give fresh"
    require(whole or not family.equal_sets, "data.design", "same", remedy)
    least, fewest = model.least_rows(), min(drawn)
    require(fewest >= least, "n", fewest, f"this estimator needs at least {least} rows")
    ok = budget is None or budget >= least
    require(ok, "budget", budget, f"this estimator needs at least {least} rows")


def check_rows(model: FamilyModel, rows: Tensor) -> None:
    """Refuse real rows ``[..., D]`` that the model's family never draws, such as counts below 0:
    they have no likelihood."""
    strange = int((~model.family().draws(rows)).sum())
    remedy = f"{strange} real rows are none that its law ever draws; give another model, or data"
    require(strange == 0, "model", type(model).__name__, remedy)


def compute(
    settings: Settings,
    model: Any,
    n: int,
    space: Space,
    device: torch.device,
    say: Callable[[str], None] = no_message,
) -> Compute:
    """How the run uses its device; BadInput for what the device or the model cannot do."""
    asked, name = settings.compute, type(model).__name__
    memory = None if asked.memory == "auto" else asked.memory
    held = total(device)
    ok = memory is None or memory <= held
    require(ok, "compute.memory", memory, f"this device has {held} bytes; give fewer, or auto")
    _check_workspace(model.workspace(space, n), device, model)
    steps = model.updates(n) if isinstance(model, Stepwise) else 0
    ok = asked.precision != "bf16" or steps > 0
    remedy = f"{name} does not multiply in float32; give auto"
    require(ok, "compute.precision", asked.precision, remedy)
    ok = asked.compile is not True or (steps > 0 and device.type == "cuda")
    remedy = "only the losses of autoencoders are compiled, and only for a GPU; give auto"
    require(ok, "compute.compile", asked.compile, remedy)
    pays = device.type == "cuda" and settings.chains * settings.generations * steps >= PAYS
    compiled = pays if asked.compile == "auto" else asked.compile
    precision = "tf32" if asked.precision == "auto" else asked.precision
    return Compute(asked.chains, memory, precision, compiled, say)


def _check_workspace(needed: int, device: torch.device, model: Any) -> None:
    """Refuse a model of which one chain alone does not fit into the device's memory."""
    held = total(device)
    remedy = f"one chain takes {needed / 2**30:.3g} GiB of {held / 2**30:.3g}: give a smaller one"
    require(needed <= held, "model", type(model).__name__, remedy)


def bytes_of(rows: int, space: Space) -> int:
    """What so many stored rows take.

    >>> bytes_of(10, Space((28, 28), image=True))
    7840
    """
    return rows * space.size * space.dtype.itemsize


def check_memory(settings: Settings, real: int, drawn: Sequence[int], space: Space) -> None:
    """Refuse rows that half of this machine's memory does not hold: real ones and one synthetic
    set. All the sets may lie on the disk, see :mod:`nc_testbed.run.disk_estimate`."""
    rows, remedy = settings.chains * (real + max(drawn[1:])), "give fewer rows or chains"
    check_stored(rows, space, "n", max(drawn), remedy)


def check_stored(rows: int, space: Space, key: str, value: Any, remedy: str) -> None:
    """Refuse so many rows of a space, the fault of a key, if half of the memory does not hold
    them."""
    needed, held = bytes_of(rows, space), total(torch.device("cpu"))
    large = f"{rows:.3g} stored rows take {needed / 2**30:.3g} GiB and half of the memory is "
    require(needed <= held / 2, key, value, f"{large}{held / 2**31:.3g}; {remedy}")


def device(name: str) -> torch.device:
    """The device that is asked for, or BadInput where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("device", name, "no GPU is visible here; use device=cpu or device=auto")
    return torch.device(name)
