"""Speed, as ratios measured side by side: python scripts/bench.py rows=vae,families."""

from nc_testbed.bench.command import main

main()
