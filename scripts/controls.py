"""Say what metrics read on known rows: ``python scripts/controls.py data=mnist_lt``."""

from nc_testbed.cli.show_controls import main

if __name__ == "__main__":
    main()
