"""What is known of columns: found by name, read in one order, kept in a run's record."""

import pytest

from nc_testbed.core.errors import BadInput
from nc_testbed.metrics.column import UNDECLARED, Column, Columns

COLUMNS = Columns(
    {
        "common": Column("of common classes", 0, 1, "lower", chart="both"),
        "rare": Column(
            "of rare classes", 0, 1, "lower", group="1 tail", chart="both", headline=1
        ),
        "all": Column("of all classes", 0, 1, "lower", headline=2),
        "loss": Column("nats", group="3 likelihood", overall=1),
        "x_rank_i": Column("of one class", high="M", group="6 classes"),
    }
)


def test_a_column_is_found_by_its_name_or_by_that_of_its_kind():
    assert COLUMNS["x_rank_12"].says == "of one class"
    assert COLUMNS["mine"] is UNDECLARED
    assert "x_rank_12" in COLUMNS and "mine" not in COLUMNS


def test_the_first_by_rank_of_those_measured_is_the_headline():
    assert COLUMNS.headline(["loss", "all", "rare"]) == "rare"
    assert COLUMNS.headline(["loss", "all"]) == "all"
    assert COLUMNS.headline(["loss"]) is None


def test_the_headline_comes_first_and_groups_follow():
    names = ["mine", "x_rank_0", "all", "loss", "rare"]
    assert COLUMNS.beside(names) == ["rare", "loss"]
    assert COLUMNS.in_reading_order(names) == ["rare", "loss", "x_rank_0", "mine", "all"]


def test_columns_share_a_chart_as_far_as_they_were_measured():
    assert COLUMNS.charts(["rare", "common", "loss"]) == {"both": ["common", "rare"]}
    assert COLUMNS.charts(["loss"]) == {}


def test_a_record_gives_every_column_back():
    record = {"facts": {"columns": COLUMNS.as_record()}}
    again = Columns.from_records(record)
    assert dict(again) == dict(COLUMNS)
    other = {"facts": {"columns": {"loss": {"says": "other"}, "new": {}}}}
    both = Columns.from_records(record, other)
    assert both["loss"].says == "nats" and both["new"] == Column()


@pytest.mark.parametrize(
    "node",
    [
        [],
        {"a": 1},
        {"a": {"no_such_key": 1}},
        {"a": {"says": 3}},
        {"a": {"low": "C"}},
        {"a": {"high": "Z"}},
        {"a": {"headline": "first"}},
        {"a": {"headline": True}},
        {"a": {"worse": "sideways"}},
        {"a": {"worse": "higher", "headline": 1}},
    ],
)
def test_a_record_that_describes_no_columns_is_refused_in_a_line(node):
    with pytest.raises(BadInput) as refused:
        Columns.from_records({"facts": {"columns": node}})
    assert "\n" not in str(refused.value)


def test_metrics_that_declare_nothing_may_be_among_others():
    class Silent:
        """Declares nothing."""

    class Loud:
        columns = {"loud": Column("of mine", headline=1, worse="lower")}  # noqa: RUF012

    declared = Columns.declared_by([Silent(), Loud()])
    assert dict(declared) == {"loud": Loud.columns["loud"]}
