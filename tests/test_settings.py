import dataclasses
from dataclasses import dataclass
from typing import Literal

import pytest

from nc_testbed.settings import Settings, build, build_target, nearest
from nc_testbed.types import BadInput, require


@dataclass(frozen=True)
class Example:
    count: int = 1
    share: float | None = None
    kind: Literal["a", "b"] = "a"
    widths: tuple[int, ...] = ()
    on: bool = False

    def __post_init__(self) -> None:
        require(self.count >= 0, "count", self.count, "give count >= 0")


def test_right_values_arrive_as_the_annotated_types():
    made = build(Example, {"count": 3, "share": 1, "kind": "b", "widths": [1, 2], "on": True})
    assert made == Example(3, 1.0, "b", (1, 2), True)
    assert isinstance(made.share, float)
    assert build(Example, {"share": None}).share is None


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"cuont": 1}, "x.cuont=1: did you mean count? (count, kind, on, share, widths)"),
        ({"count": "many"}, "x.count=many: give a whole number"),
        ({"count": 1.5}, "x.count=1.5: give a whole number"),
        ({"count": True}, "x.count=True: give a whole number"),
        ({"count": None}, "x.count=None: give a whole number"),
        ({"share": float("nan")}, "x.share=nan: give a finite number or null"),
        ({"share": "x"}, "x.share=x: give a finite number or null"),
        ({"kind": "c"}, "x.kind=c: use one of (a, b)"),
        ({"widths": 3}, "x.widths=3: give a list"),
        ({"widths": [1, "x"]}, "x.widths[1]=x: give a whole number"),
        ({"on": 1}, "x.on=1: give true or false"),
        ({"count": -1}, "x.count=-1: give count >= 0"),
    ],
)
def test_wrong_values_end_in_one_line(values, line):
    with pytest.raises(BadInput) as caught:
        build(Example, values, "x.")
    assert str(caught.value) == line


def test_nested_settings_name_the_whole_key():
    with pytest.raises(BadInput, match="sampling.decode=men: did you mean mean"):
        build(Settings, {"sampling": {"decode": "men"}})
    with pytest.raises(BadInput, match="compute.chains=0: "):
        build(Settings, {"compute": {"chains": 0}})


@pytest.mark.parametrize("key", ["chains", "generations", "n", "budget"])
def test_sizes_below_one_are_refused(key):
    with pytest.raises(BadInput, match=f"^{key}=0: "):
        build(Settings, {key: 0})


@pytest.mark.parametrize(
    "target",
    ["os.system", "torch.load", "nc_testbed.settings.nearest", "nc_testbed.nothing.Here",
     "nc_testbed.settings.dataclasses", "builtins.eval", 3, None, "nc_testbed.settings.importlib"],
)  # fmt: skip
def test_a_target_outside_the_package_is_never_called(target):
    with pytest.raises(BadInput, match=r"^model\._target_="):
        build_target({"_target_": target}, "model", ())


def test_a_declared_extension_is_allowed():
    node = {"_target_": f"{__name__}.Example", "count": 2}
    assert build_target(node, "model", (__name__.split(".")[0],)).count == 2
    with pytest.raises(BadInput):
        build_target(node, "model", ())


def test_the_nearest_name_is_offered():
    assert nearest("anchr", ["anchor", "real"]).startswith("did you mean anchor?")
    assert nearest("zzz", ["anchor", "real"]).startswith("use one of")


def test_settings_and_config_yaml_have_the_same_keys_and_defaults():
    import yaml

    from nc_testbed.cli import CONF, STUDY

    written = yaml.safe_load((CONF / "config.yaml").read_text())
    for key in ("defaults", "hydra", *STUDY):
        del written[key]
    assert build(Settings, written) == Settings()
    assert set(written) == {f.name for f in dataclasses.fields(Settings)}
