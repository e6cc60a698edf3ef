"""Check a run and print where its rows came from: ``python scripts/verify.py <run dir>``."""

from nc_testbed.cli.verify_run import main

if __name__ == "__main__":
    main()
