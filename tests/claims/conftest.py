import sys
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parent))
from stated import WORLDS


@pytest.fixture
def folder(tmp_path):
    """Writes claims ``{name: node}`` into a folder beside its worlds, and returns the folder."""

    def write(**claims):
        there = tmp_path / "conf" / "claims"
        there.mkdir(parents=True, exist_ok=True)
        (there.parent / "worlds.yaml").write_text(yaml.safe_dump(WORLDS))
        for name, node in claims.items():
            (there / f"{name}.yaml").write_text(yaml.safe_dump(node, sort_keys=False))
        return there

    return write
