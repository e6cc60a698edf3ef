"""Run the closed loop: ``python scripts/train.py policy=anchor``; ``--help`` shows every key."""

from nc_testbed.cli.train import main

if __name__ == "__main__":
    main()
