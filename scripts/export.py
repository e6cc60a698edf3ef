"""Runs as one tidy table: ``python scripts/export.py outputs/my_sweep out=sweep.parquet``."""

from nc_testbed.cli.export import main

if __name__ == "__main__":
    main()
