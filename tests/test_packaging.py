"""What a plain ``pip install`` brings."""

import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    return zipfile.ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(folder))))


def test_the_settings_the_data_and_the_referees_are_in_the_wheel(wheel):
    names = set(wheel.namelist())
    conf = {f"nc_testbed/{p.relative_to(ROOT)}" for p in (ROOT / "conf").rglob("*.yaml")}
    assert len(conf) > 30
    package = {str(p.relative_to(ROOT)) for p in (ROOT / "nc_testbed").rglob("*.py")}
    pages = ("*.j2", "*.css")
    templates = {p for kind in pages for p in (ROOT / "nc_testbed").rglob(kind)}
    assert len(templates) >= 5
    assert conf | package | {str(p.relative_to(ROOT)) for p in templates} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"nc_testbed"}
    assert sum("/presets/" in name for name in names) >= 8
    assert sum(name.endswith("-ubyte.gz") for name in names) == 4
    assert sum(name.endswith(".safetensors") for name in names) == 2
    assert "nc_testbed/data/mnist_files/README.md" in names


def test_the_console_command_is_declared(wheel):
    entry = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "nc-testbed = nc_testbed.cli:main" in wheel.read(entry).decode()


def test_every_dependency_has_a_floor():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["test"] + extras["notebook"]
    wanted.remove("nc_testbed[notebook]")  # the extra itself, whose floors are looked at too
    assert all(">=" in requirement for requirement in wanted)
