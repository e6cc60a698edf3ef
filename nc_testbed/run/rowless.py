"""Runs that draw sufficient statistics: when that is possible, and what they need."""

from __future__ import annotations

from typing import Any

from nc_testbed.config.settings import Settings, sizes
from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Policy
from nc_testbed.core.space import Space
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.families.source import FamilySource
from nc_testbed.loop.statistics_loop import Laboratory
from nc_testbed.run import checks


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
    if policy.needs_rows(settings.budget):
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
    pool = "pool" in policy.real_row_budget(drawn[1], settings.budget)
    if pool:
        rows, space = settings.chains * drawn[0], Space((family.size,), image=False)
        remedy = "give a smaller data.rows, fewer chains, or anchors that are fixed or fresh"
        checks.check_stored(rows, space, "data.rows", drawn[0], remedy)
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
