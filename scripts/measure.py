"""Measure samples made elsewhere: ``python scripts/measure.py data=mnist_lt samples=mine.npz``."""

from nc_testbed.cli.measure_samples import main

if __name__ == "__main__":
    main()
