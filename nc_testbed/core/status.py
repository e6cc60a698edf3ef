"""The state of every chain after a generation: ok, floored, extinct or diverged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

WORDS = ("ok", "floored", "extinct", "diverged")
"""The words for 0, 1, 2, 3."""

LOSSES = ("nll", "neg_elbo", "neg_iwae", "fit_log_likelihood")
"""How the names of columns begin that are a loss; inf is one, of a row without density."""


def status(
    state: Mapping[str, Tensor],
    record: Mapping[str, Tensor],
    samples: Sequence[Tensor] = (),
) -> Tensor:
    """The column ``status`` ``[R]`` float64 of one generation, the largest that applies
    of

    - 0 ok;
    - 1 floored: the fit raised a variance to its floor (``fit_floored`` > 0);
    - 2 extinct: the chain holds one point only, by its parameters (``absorbed``) where they were
      measured and say so, else because all its samples are the same row;
    - 3 diverged: the fit stopped at a loss or gradient that was not finite and kept its weights
      (see :class:`nc_testbed.models.adam.Adam`), a parameter or sample is NaN or infinite, or
      a loss of real rows is NaN.

    Each is a result, and none is hidden: the chain's columns stay beside its status, NaN
    where they are undefined, and no other chain is affected. It is the status of one
    generation: an autoencoder that starts cold fits its diverged chain anew to what the
    stopped network drew, and that may be ok again; one that starts warm stays as it
    stopped. A synthetic set may have NaN (vectors; pixels that are NaN are stored as 0):
    a fit to it diverges.

    state: the fit's tensors, chain axis first. record: the generation's columns. samples:
    sets of rows ``[R, m, D]`` in stored form, drawn from the fit.

    >>> fit = {"mean": torch.tensor([0.0, 0.0, torch.nan])}
    >>> status(fit, {"fit_floored": torch.tensor([0.0, 2.0, 0.0])}).tolist()
    [0.0, 1.0, 3.0]
    """
    diverged = ~torch.stack([finite(x) for x in (*state.values(), *samples)]).all(0)
    if "diverged" in state:
        diverged = diverged | state["diverged"]
    for name, column in record.items():
        if name.startswith(LOSSES):
            diverged = diverged | column.isnan().to(diverged.device)
    none = torch.zeros_like(diverged)
    floored = record["fit_floored"] > 0 if "fit_floored" in record else none
    extinct = record["absorbed"] == 1 if "absorbed" in record else none
    if samples and "absorbed" not in record:
        rows = torch.cat(list(samples), 1)
        extinct = (rows == rows[:, :1]).flatten(1).all(1)
    codes = torch.zeros_like(diverged, dtype=torch.float64, device="cpu")
    for code, applies in enumerate((floored, extinct, diverged), start=1):
        codes[applies.cpu()] = code
    return codes


def finite(values: Tensor) -> Tensor:
    """Chains ``[R]`` of values ``[R, ...]`` without NaN or infinity.

    By the smallest and the largest number, a fiftieth of the time of testing every one; a
    NaN makes both of them NaN.

    >>> finite(torch.tensor([[0.0, 1.0], [torch.inf, 1.0], [torch.nan, 1.0]])).tolist()
    [True, False, False]
    """
    if not values.is_floating_point():
        return torch.ones(len(values), dtype=torch.bool, device=values.device)
    flat = values.detach().flatten(1) if values.dim() > 1 else values.detach()[:, None]
    return flat.amin(1).isfinite() & flat.amax(1).isfinite()
