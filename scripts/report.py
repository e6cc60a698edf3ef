"""The story of finished runs: ``python scripts/report.py outputs/my_sweep``."""

from nc_testbed.cli.report import main

if __name__ == "__main__":
    main()
