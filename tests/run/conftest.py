"""Lets the tests import the fabricated run beside them."""

import sys
from pathlib import Path

import pytest
import torch

from nc_testbed.core.space import Space
from nc_testbed.data.source import Data, DataLaw

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def planar() -> Data:
    angle = torch.arange(8) * torch.pi / 4
    centres = torch.stack([angle.cos(), angle.sin()], -1).double() * 2
    none = torch.zeros(1, 0, dtype=torch.int64)
    law = DataLaw(lambda n, streams, purpose: (centres, None), centres=centres, scale=0.05)
    training = torch.arange(8).expand(2, -1)
    return Data("ring", Space((2,), False), centres[None], training, none, centres, law=law)
