"""A verdict on every claim: ``python scripts/claims.py claims=all size=quick``."""

from nc_testbed.cli.claims import main

if __name__ == "__main__":
    main()
