"""Train the referee that ships with the package: ``python scripts/referee.py [--binarize]``."""

from nc_testbed.metrics.referee import main

if __name__ == "__main__":
    main()
