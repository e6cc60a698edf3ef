"""nc_testbed: the reference instrument for model collapse."""

__version__ = "0.1.0"
