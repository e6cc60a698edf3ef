"""The command line: one door, a verb for every thing that is done."""


def main() -> None:
    """Run ``nc-testbed VERB ...``."""
    from nc_testbed.cli.door import open_door

    open_door()
