"""Speed, as ratios measured side by side: ``python scripts/bench.py rows=vae,families``."""

from nc_testbed.cli.bench import main

if __name__ == "__main__":
    main()
