"""The command line."""


def main() -> None:
    """What ``nc-testbed`` runs."""
    from nc_testbed.cli import train

    train.main()
