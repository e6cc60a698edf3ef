"""From a run's model and policy to the laws that its metrics must follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nc_testbed.laws.law import ExactLaw


def expected_laws(
    model: Any,
    truth: Mapping[str, Any],
    policy: Any,
    sizes: Sequence[int],
    budget: int | None = None,
) -> dict[str, ExactLaw]:
    """``{metric: law}`` of a run on data of this truth; empty where no law is known.

    The model says ``exact_laws(truth, context)`` and the policy
    ``law_context(sizes, budget)``. truth: parameters ``[1, ...]`` in the model's family.
    sizes: rows of generation 0, then of every synthetic set that is trained on, ``[T]``.
    """
    laws = own_method(model, "exact_laws")
    context = own_method(policy, "law_context")
    if laws is None or context is None:
        return {}
    values = {name: np.asarray(value[0]) for name, value in truth.items()}
    return laws(values, context(list(sizes), budget))


def own_method(owner: Any, name: str) -> Callable[..., Any] | None:
    """A method that the very class of an object defines, None where it only inherits one.

    A subclass may fit or compose otherwise than its base, so the base's laws say nothing
    of it.
    """
    return getattr(owner, name) if name in vars(type(owner)) else None
