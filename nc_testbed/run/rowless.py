"""Runs that draw sufficient statistics: when that is possible, and what they need."""

from __future__ import annotations

import os
from typing import Any

from nc_testbed.data.families import FamilySource
from nc_testbed.models.family import FamilyModel
from nc_testbed.run import checks
from nc_testbed.settings import Settings, sizes
from nc_testbed.statistics_loop import Laboratory
from nc_testbed.types import Policy, require


def why_rows(
    source: Any, model: Any, policy: Policy, settings: Settings, rowless_metrics: bool
) -> str | None:
    """Why a run must draw every row, or None where sufficient statistics do."""
    if settings.sampling.draw == "rows":
        return "rows are asked for"
    if not isinstance(model, FamilyModel):
        return "this model has no sufficient statistics"
    if not isinstance(source, FamilySource):
        return "these data are rows, not a law"
    if policy.stores_rows(settings.budget):
        return "with a budget this policy draws from stored rows"
    if not rowless_metrics:
        return "a metric needs rows"
    laws = source.laws()
    fitted = checks.with_group("model", model.like, laws, laws[0][0].size).family()
    return None if any(family == fitted for family, _ in laws) else "the data are of another family"


def laboratory(
    source: FamilySource, model: FamilyModel, policy: Policy, settings: Settings
) -> Laboratory:
    """The checked run on statistics. Raises BadInput with the full key."""
    laws = source.laws()
    model = model.like(laws, laws[0][0].size)
    family = model.family()
    drawn = sizes(settings, source.rows)
    checks.check_policy(policy, drawn, settings)
    checks.check_family(model, drawn, settings, policy)
    pool = "pool" in policy.real_rows(drawn[1], settings.budget)
    if pool:
        _check_pool(settings, drawn[0], family.size)
    on_gpu = family.on_gpu and not pool
    drawn_there = "a pool" if pool else type(family).__name__
    remedy = f"{drawn_there} is drawn on a CPU; use device=cpu or device=auto"
    require(on_gpu or settings.device != "cuda", "device", settings.device, remedy)
    device = checks.device(settings.device if on_gpu else "cpu")
    return Laboratory(
        model=model,
        truth=next(truth for other, truth in laws if other == family),
        policy=policy,
        seed=settings.seed,
        chains=settings.chains,
        generations=settings.generations,
        sizes=drawn,
        budget=settings.budget,
        recorded=settings.record.among(settings.generations),
        device=device,
        temperature=settings.sampling.temperature,
    )


def _check_pool(settings: Settings, n0: int, size: int) -> None:
    needed = settings.chains * n0 * size * 8
    held = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    remedy = f"a pool is stored, {needed / 2**30:.3g} GiB of rows; give a smaller data.rows, "
    remedy += "fewer chains, or source=fixed or fresh"
    require(needed <= held / 2, "policy.source", "pool", remedy)
