"""Lets the tests import the laboratory beside them, and keeps torch to one thread."""

import sys
from pathlib import Path

import pytest

from nc_testbed.core.exactness import one_thread

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def small_operations():
    """Chains are shared out over the cores; splitting their small operations only costs."""
    with one_thread():
        yield


@pytest.fixture(autouse=True, scope="module")
def forget_runs(device):
    """A file's runs are kept until its last test on one device only."""
    import laboratory

    laboratory.DEVICE = device
    yield
    for run in (laboratory.simulated, laboratory.simulated_rows, laboratory.absorption_times):
        run.cache_clear()
