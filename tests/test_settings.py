import dataclasses
from dataclasses import dataclass
from typing import Literal

import pytest

from nc_testbed.config.build import build, build_target, nearest
from nc_testbed.config.settings import Growth, RecordSettings, Settings, sizes
from nc_testbed.core.errors import BadInput, require


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
    ["os.system", "torch.load", "nc_testbed.config.build.nearest", "nc_testbed.nothing.Here",
     "nc_testbed.config.build.dataclasses", "builtins.eval", 3, None,
     "nc_testbed.config.build.importlib"],
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

    from nc_testbed.config.compose import CONF, STUDY

    written = yaml.safe_load((CONF / "config.yaml").read_text())
    for key in ("defaults", "hydra", *STUDY):
        del written[key]
    assert build(Settings, written) == Settings()
    assert set(written) == {f.name for f in dataclasses.fields(Settings)}


@pytest.mark.parametrize(
    ("wanted", "recorded"),
    [
        ("all", (0, 1, 2, 3, 4, 5, 6)),
        ("last", (6,)),
        (1, (0, 1, 2, 3, 4, 5, 6)),
        (3, (0, 3, 6)),
        (4, (0, 4, 6)),
        (100, (0, 6)),
        ([5, 2, 2], (2, 5)),
        ([6], (6,)),
    ],
)
def test_the_recorded_generations_ascend(wanted, recorded):
    assert build(RecordSettings, {"generations": wanted}).among(7) == recorded


def test_one_generation_is_recorded_once():
    for wanted in ("all", "last", 1, 50, (0,)):
        assert RecordSettings(wanted).among(1) == (0,)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"generations": 0}, "record.generations=0: give all, last, a number >= 1 or a list"),
        ({"generations": -3}, "record.generations=-3: "),
        ({"generations": []}, "record.generations=[]: give one generation >= 0 at least"),
        ({"generations": [3, -1]}, "record.generations=[3, -1]: "),
        ({"generations": "most"}, "record.generations=most: "),
        ({"generations": 1.5}, "record.generations=1.5: "),
        ({"generations": None}, "record.generations=None: "),
        ({"generations": [1, "x"]}, "record.generations[1]=x: give a whole number"),
        ({"chains": "row"}, "record.chains=row: did you mean rows?"),
    ],
)
def test_what_cannot_be_recorded_is_refused(values, line):
    with pytest.raises(BadInput) as caught:
        build(Settings, {"record": values})
    assert str(caught.value).startswith(line)


def test_a_recorded_generation_beyond_the_run_is_refused():
    with pytest.raises(
        BadInput, match=r"^record.generations=\[7, 9\]: the last generation is 6"
    ):
        RecordSettings((2, 7, 9)).among(7)


@pytest.mark.parametrize(
    ("first", "power", "rows"),
    [
        (100, 2.0, (100, 400, 900, 1600)),
        (10, 1.0, (10, 20, 30, 40)),
        (5, 0.0, (5, 5, 5, 5)),
        (100, -1.0, (100, 50, 33, 25)),
        (2, -4.0, (2, 1, 1, 1)),  # never no row
    ],
)
def test_growth_is_a_power_of_the_generation(first, power, rows):
    assert Growth(first, power).among(4) == rows


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"first": 0, "power": 1}, "n.first=0: "),
        ({"first": 1.5, "power": 1}, "n.first=1.5: give a whole number"),
        ({"first": 10, "power": 5}, "n.power=5.0: "),
        ({"first": 10}, "n=Growth: "),
        ({"frist": 10, "power": 1}, "n.frist=10: did you mean first?"),
    ],
)
def test_growth_out_of_range_is_refused(values, line):
    with pytest.raises(BadInput) as caught:
        build(Settings, {"n": values})
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("n", "real", "drawn"),
    [
        (None, 50, (50, 50, 50, 50)),
        (None, None, (100, 100, 100, 100)),
        (20, None, (20, 20, 20, 20)),
        (20, 50, (50, 20, 20, 20)),
        ([20, 30, 40], None, (20, 30, 40, 40)),
        ([20, 30, 40, 50], 20, (20, 30, 40, 50)),
        ([20, 30, 40, 50, 60], None, (20, 30, 40, 50)),
        ({"first": 10, "power": 1}, None, (10, 20, 30, 30)),
        ({"first": 10, "power": 1}, 10, (10, 20, 30, 30)),
    ],
)
def test_sizes_of_the_real_set_and_of_every_synthetic_one(n, real, drawn):
    assert sizes(build(Settings, {"n": n, "generations": 3}), real) == drawn


@pytest.mark.parametrize(
    ("n", "real", "line"),
    [
        ([20, 30], None, "n=[20, 30]: 3 generations need as many sizes"),
        ([20, 30, 40], 50, "n=20: generation 0 is fitted to data.rows real rows, 50"),
        (
            {"first": 10, "power": 1},
            50,
            "n=10: generation 0 is fitted to data.rows real rows, 50",
        ),
    ],
)
def test_a_schedule_fits_the_run_and_begins_with_its_real_rows(n, real, line):
    with pytest.raises(BadInput) as caught:
        sizes(build(Settings, {"n": n, "generations": 3}), real)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("n", [[], [0, 5], [5, 10**16], 10**16])
def test_sizes_out_of_range_are_refused(n):
    with pytest.raises(BadInput, match="^n="):
        build(Settings, {"n": n})


@dataclass(frozen=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True)
class Union:
    one: int | tuple[int, ...] | Inner | None = None
    kind: Literal["a", "b"] | int = "a"


@pytest.mark.parametrize("value", [3, (1, 2), None, Inner(4)])
def test_a_union_takes_any_of_its_kinds(value):
    plain = {"depth": value.depth} if isinstance(value, Inner) else value
    assert (
        build(Union, {"one": list(value) if isinstance(value, tuple) else plain}).one == value
    )


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"one": "x"}, "one=x: give a whole number or a list or {depth} or null"),
        ({"one": 1.5}, "one=1.5: give a whole number or a list or {depth} or null"),
        ({"one": [1, 1.5]}, "one[1]=1.5: give a whole number"),
        ({"one": {"depth": "x"}}, "one.depth=x: give a whole number"),
        ({"one": {"dpeth": 1}}, "one.dpeth=1: did you mean depth?"),
        ({"kind": 1.5}, "kind=1.5: give (a, b) or a whole number"),
    ],
)
def test_a_union_says_all_that_it_takes(values, line):
    with pytest.raises(BadInput) as caught:
        build(Union, values)
    assert str(caught.value).startswith(line)
