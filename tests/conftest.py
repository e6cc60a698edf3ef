"""Tests that take a device run on a CPU; with a GPU there, ``pytest -m gpu`` runs them on it."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))  # for the modules that tests of several rooms share


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        absent = pytest.mark.skip(reason="no GPU is visible here")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(absent)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)], scope="module")
def device(request) -> torch.device:
    return torch.device(request.param)
