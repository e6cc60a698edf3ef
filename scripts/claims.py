"""A verdict on every claim: python scripts/claims.py claims=all size=quick."""

from nc_testbed.claims.command import main

main()
