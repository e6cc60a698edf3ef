"""Train the referee that ships with the package: ``python scripts/referee.py binarize=true``."""

from nc_testbed.cli.train_referee import main

if __name__ == "__main__":
    main()
