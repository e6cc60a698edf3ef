"""The story of finished runs: ``python scripts/report.py outputs/my_sweep``."""

from nc_testbed.report.command import main

if __name__ == "__main__":
    main()
