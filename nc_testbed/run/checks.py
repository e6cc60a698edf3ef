"""Checks of settings against each other that rows and statistics share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nc_testbed.config.settings import Settings
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.family import Family
from nc_testbed.core.interfaces import Policy, Stepwise
from nc_testbed.core.machine import Compute, total
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.families.family_source import FamilySource

PAYS = 10_000_000
"""Updates of chains from which on compiling a loss for a GPU pays: it takes half a
minute, and in a sketch of this step on an H100, 64 chains at once, it saved 3
microseconds an update and chain."""


def with_group(group: str, check: Any, *arguments: Any) -> Any:
    """Call a check; a complaint gets the group's name before its key."""
    try:
        return check(*arguments)
    except BadInput as error:
        raise error.within(group) from None


def check_policy(policy: Policy, n: Sequence[int], settings: Settings) -> None:
    """Refuse what a policy cannot serve; n: the rows of every generation."""
    later = sorted(set(n[1 : settings.generations] or n[1:]))
    for rows in later:
        with_group("policy", policy.check, rows, settings.budget, n[0])
    takes = [policy.real_row_budget(rows, settings.budget) for rows in later]
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
    remedy = (
        f"{name} judges rows one by one and fresh ones are not there yet; use another policy"
    )
    require(not policy.needs_classifier, "stream", True, remedy)


def check_family(
    model: FamilyModel, n: Sequence[int], settings: Settings, policy: Policy
) -> None:
    """Refuse samples that are too small for an
    estimator, and ways of sampling it has not."""
    sampling = settings.sampling
    family = model.family()
    ok = sampling.decode == "sample"
    remedy = "this model has no decoder; give sample"
    require(ok, "sampling.decode", sampling.decode, remedy)
    ok = sampling.temperature == 1 or family.tempers
    remedy = f"a {type(family).__name__} at another temperature is none; give 1"
    require(ok, "sampling.temperature", sampling.temperature, remedy)
    budget = settings.budget
    equal = len(set(n)) == 1 and budget is None
    complete = equal and not policy.real_row_budget(n[1], None)
    remedy = "the same rows x need equal samples that are kept whole: give fresh"
    require(complete or not family.equal_sets, "data.design", "same", remedy)
    minimum = model.least_rows()
    remedy = f"this estimator needs at least {minimum} rows"
    require(min(n) >= minimum, "n", min(n), remedy)
    require(budget is None or budget >= minimum, "budget", budget, remedy)


def check_model(
    model: Any, data: Data, n: Sequence[int], settings: Settings, policy: Policy
) -> Any:
    """The model with what its settings leave to
    the data; refuse it if it cannot be fitted."""
    if not isinstance(model, FamilyModel):
        with_group("model", model.check, data.space)
        return model
    model = with_group("model", model.like, data.true_parameters, data.space.size)
    check_family(model, n, settings, policy)
    with_group("model", model.check, data.space)
    check_rows(model, data.x)
    return model


def check_rows(model: FamilyModel, rows: Tensor) -> None:
    """Refuse real rows ``[..., D]`` that the model's family never draws, such as counts
    below 0: they have no likelihood."""
    strange = int((~model.family().draws(rows)).sum())
    remedy = (
        f"{strange} real rows are none that its law ever draws; give another model, or data"
    )
    require(strange == 0, "model", type(model).__name__, remedy)


def check_classes(policy: Policy, data: Data) -> None:
    """Refuse a policy that asks for classes of rows where there are none."""
    classified = data.shares is not None or not policy.needs_classifier
    remedy = "it asks for the classes of rows and these data have none"
    require(classified, "policy", type(policy).__name__, remedy)


def check_reserve(data: Data, fresh: int, generations: int) -> None:
    """Refuse a run that needs more never-used real rows than there are."""
    reserve = data.reserve.shape[1]
    later = generations - 1
    if fresh * later > reserve:
        remedy = (
            f"{later} generations need {fresh * later} never-used real rows and the reserve "
            f"holds {reserve}; the largest k that fits is {reserve // later}, or raise "
            "data.reserve, or use policy.source=pool"
        )
        raise BadInput("policy.k", fresh, remedy)


def needs_rows(
    source: Any, model: Any, policy: Policy, settings: Settings, rowless_metrics: bool
) -> str | None:
    """Why a run must draw every row, or None where sufficient statistics do."""
    if settings.sampling.draw == "rows":
        return "rows are asked for"
    if not isinstance(model, FamilyModel):
        return "this model has no sufficient statistics"
    if not isinstance(source, FamilySource):
        return "these data are rows, not a law"
    if policy.needs_rows(settings.budget):
        return "with a budget this policy draws from stored rows"
    if not rowless_metrics:
        return "a metric needs rows"
    laws = source.laws()
    family = with_group("model", model.like, laws, laws[0][0].size).family()
    if any(other == family for other, _ in laws):
        return None
    return "the data are of another family"


def law_device(
    family: Family, policy: Policy, n: Sequence[int], settings: Settings
) -> torch.device:
    """The device of a run that draws sufficient
    statistics; a pool of real rows is stored."""
    pool = "pool" in policy.real_row_budget(n[1], settings.budget)
    if pool:
        space = Space((family.size,), image=False)
        remedy = "give a smaller data.rows, fewer chains, or anchors that are fixed or fresh"
        check_stored(settings.chains * n[0], space, "data.rows", n[0], remedy)
    on_gpu = family.on_gpu and not pool
    name = "a pool" if pool else type(family).__name__
    remedy = f"{name} is drawn on a CPU; use device=cpu or device=auto"
    require(on_gpu or settings.device != "cuda", "device", settings.device, remedy)
    return device(settings.device if on_gpu else "cpu")


def compute(
    settings: Settings,
    model: Any,
    n: int,
    space: Space,
    device: torch.device,
) -> Compute:
    """How the run uses its device; BadInput for
    what the device or the model cannot do."""
    name = type(model).__name__
    request = settings.compute
    memory = None if request.memory == "auto" else request.memory
    available = total(device)
    ok = memory is None or memory <= available
    remedy = f"this device has {available} bytes; give fewer, or auto"
    require(ok, "compute.memory", memory, remedy)
    _check_workspace(model.workspace(space, n), device, model)
    steps = model.updates(n) if isinstance(model, Stepwise) else 0
    ok = request.precision != "bf16" or steps > 0
    remedy = f"{name} does not multiply in float32; give auto"
    require(ok, "compute.precision", request.precision, remedy)
    ok = request.compile is not True or (steps > 0 and device.type == "cuda")
    remedy = "only the losses of autoencoders are compiled, and only for a GPU; give auto"
    require(ok, "compute.compile", request.compile, remedy)
    pays = device.type == "cuda" and settings.chains * settings.generations * steps >= PAYS
    compiled = pays if request.compile == "auto" else request.compile
    precision = "tf32" if request.precision == "auto" else request.precision
    return Compute(request.chains, memory, precision, compiled)


def _check_workspace(needed: int, device: torch.device, model: Any) -> None:
    """Refuse a model of which one chain alone does not fit into the device's memory."""
    available = total(device)
    shares = f"{needed / 2**30:.3g} GiB of {available / 2**30:.3g}"
    remedy = f"one chain takes {shares}: give a smaller one"
    require(needed <= available, "model", type(model).__name__, remedy)


def bytes_of(rows: int, space: Space) -> int:
    """What so many stored rows take.

    >>> bytes_of(10, Space((28, 28), image=True))
    7840
    """
    return rows * space.size * space.dtype.itemsize


def check_memory(settings: Settings, real: int, n: Sequence[int], space: Space) -> None:
    """Refuse rows that half of this machine's memory does not hold: real ones and one
    synthetic set. All the sets may lie on the disk, see
    :mod:`nc_testbed.run.disk_estimate`."""
    rows = settings.chains * (real + max(n[1:]))
    check_stored(rows, space, "n", max(n), "give fewer rows or chains")


def check_stored(rows: int, space: Space, key: str, value: Any, remedy: str) -> None:
    """Refuse so many rows of a space, the fault of a key, if half of the memory does
    not hold them."""
    needed = bytes_of(rows, space)
    half = total(torch.device("cpu")) / 2
    sizes = f"{needed / 2**30:.3g} GiB and half of the memory is {half / 2**30:.3g}"
    require(needed <= half, key, value, f"{rows:.3g} stored rows take {sizes}; {remedy}")


def device(name: str) -> torch.device:
    """The device that is asked for, or BadInput where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("device", name, "no GPU is visible here; use device=cpu or device=auto")
    return torch.device(name)
