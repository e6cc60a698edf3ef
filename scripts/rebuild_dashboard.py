"""Make a run's TensorBoard view anew: ``python scripts/rebuild_dashboard.py outputs/my_run``."""

from nc_testbed.cli.rebuild import main

if __name__ == "__main__":
    main()
