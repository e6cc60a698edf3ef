"""The verb ``bench``: speed, as ratios measured side by side in one run."""

from __future__ import annotations

from collections.abc import Sequence

from nc_testbed.cli.door import verb
from nc_testbed.config.command_line import read_command
from nc_testbed.config.output_dir import output_of

HELP = """Ratios measured side by side, in one run.

nc-testbed bench rows=vae,floor device=cpu

  rows     all (default), or of vae, gmm, families, metrics, floor, runs, scaling, packed,
           separated by commas
           runs: the default run and its metrics, the GMM study against scikit-learn, accumulating
           scaling: time by chains, rows and generations
           packed: runs of a sweep side by side against one after the other
  device   auto (default), cpu or cuda
  chains   of the large runs of families; 10^5, on a GPU 10^6
  out      the folder that bench.json is written to; default: a new one in outputs/bench"""


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Measure; print the table and where bench.json lies."""
    from nc_testbed.bench.command import BenchSettings, run  # torch: not for a help page
    from nc_testbed.run.checks import device

    settings = read_command(BenchSettings, words)
    chosen_device = device(settings.device)
    out = output_of("bench", settings.out)
    print(run(settings, chosen_device, out))
    print(f"bench: {out / 'bench.json'}")
