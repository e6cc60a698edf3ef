"""The verb ``plan``: how much real data a loop needs."""

from __future__ import annotations

from collections.abc import Sequence

from nc_testbed.cli.door import show, verb

HELP = """How much real data do I need?

nc-testbed plan model=vae data=digits tolerance=0.1
nc-testbed plan model=bernoulli data=bernoulli n=1000 tolerance=0.02 verify=true

  tolerance     largest distance from the truth, in units of the metric (needed)
  metric        a column; default: the headline, of a family its mean
  probability   with which the tail class is to be present; default 0.95
  tail          share of that class; default: the rarest
  verify        true: sweep k around the answer and draw prediction against measurement
  source        fresh (default) or pool: where the real rows come from
  generations   at most so many in a verifying run
  out           the folder written to; default: a new one in outputs/plan
All other keys are those of train, without policy."""


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Measure, answer, and with ``verify=true``
    try; print the answer and where it lies."""
    if not words:
        return show(HELP)

    from nc_testbed.plan.command import plan  # torch: not for a help page

    print(f"plan: {plan(words)}")
