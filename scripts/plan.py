"""How much real data do I need: ``python scripts/plan.py model=vae data=digits tolerance=0.1``."""

from nc_testbed.cli.plan import main

if __name__ == "__main__":
    main()
