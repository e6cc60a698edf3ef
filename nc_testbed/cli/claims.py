"""The verb ``claims``: make the runs of the claims, judge, and write the report."""

from __future__ import annotations

from collections.abc import Sequence

from nc_testbed.cli.door import verb
from nc_testbed.config.command_line import read_command
from nc_testbed.config.output_dir import CONF

HELP = f"""A verdict on every claim.

nc-testbed claims                                   all claims, on a CPU
nc-testbed claims claims=one_datapoint size=full    one of them, on a GPU

  claims   all (default), or names of conf/claims, separated by commas
  size     quick (default) or full: the worlds of conf/worlds.yaml
  out      the folder written to; one that was begun is gone on with, its finished runs are kept;
           default: a new one in outputs/claims
  folder   other claims than the project's: a folder of files like those of {CONF.name}/claims,
           with a worlds.yaml beside the folder"""


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Make the runs, judge, and write; print every verdict and where the report lies."""
    from nc_testbed.claims.command import (
        ClaimsSettings,
        judge_claims,
    )  # torch: not for a help page

    judge_claims(read_command(ClaimsSettings, words), print)
