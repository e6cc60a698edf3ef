"""Tests that take a device run on a CPU; with a GPU there, ``pytest -m gpu`` runs them on it."""

import pytest
import torch


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        absent = pytest.mark.skip(reason="no GPU is visible here")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(absent)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)], scope="module")
def device(request) -> torch.device:
    return torch.device(request.param)
