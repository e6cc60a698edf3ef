"""The published tables: who passes which sanity check, and what controls read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nc_testbed.bench.sanity import DRAWS, SUBJECTS, Outcome, Values, outcome_of, say_rule
from nc_testbed.bench.sanity_checks import CHECKS, SanityCheck

HEAD = """# Sanity of the metrics

Made by `python scripts/metrics_sanity.py`. No metric passes everything, ours included:
read a metric where it is known to work.
"""
CHECKS_HEAD = f"""## Checks

Fourteen checks of Raisa, van Breugel and van der Schaar (ICML 2025,
https://arxiv.org/abs/2505.22450): N = 1000 rows, d = 32 where a check has a free
dimension, no classes, means over {DRAWS} draws. A value is right within 0.05; a bell or a
fall is at least 0.2 high and leaves its shape by at most 0.1. Distances (`frechet`,
`kid`) are read as 1 - distance / largest of the check, `log_spread` as a ratio of
standard deviations. `clipped_density` and `clipped_coverage` are those of Salvy et al.
(2025, https://arxiv.org/abs/2507.01761); `fidelity` and `matched_coverage` are judged by
the same rules. A metric passes a check when it meets all that the check asks of its kind;
`-` is not asked.
"""
CONTROLS_HEAD = """## Controls

What rows of known quality read on `data=mnist_lt`: mean over chains, in brackets the
lowest and highest. Every rarity rotation is as often among the chains.
"""
Controls = Mapping[str, Mapping[str, Sequence[float]]]
"""``{control: {column: values of the chains}}``."""
SHOWN = (
    "tail_coverage",
    "tail_clipped_coverage",
    "tail_recall",
    "matched_coverage",
    "clipped_coverage",
    "coverage",
    "recall",
    "fidelity",
    "fidelity_untrained",
    "clipped_density",
    "precision",
    "density",
    "two_sample",
    "tstr",
    "tstr_tail",
    "memorised",
    "tail_ratio",
    "confusion",
    "undecided",
)
"""Columns of the table of controls, ours and others of the same purpose side by side."""


def page(verdicts: Mapping[str, Mapping[str, Outcome]], results: Mapping[str, Values]) -> str:
    """The section of the checks: the table, what is asked, and every value."""
    parts = [CHECKS_HEAD, verdict_table(verdicts), "### What fails\n"]
    parts.append(failures(verdicts))
    parts.append("### Values\n")
    parts += [value_tables(name, values) for name, values in results.items()]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table.

    >>> print(table(["a", "b"], [["1", "2"]]), end="")
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [head, *rows]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text.insert(1, "|" + "---|" * len(head))
    return "\n".join(text) + "\n"


def verdict_table(verdicts: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Metrics by checks, and how many each passes."""
    words = {True: "yes", False: "**no**", None: "-"}
    rows = []
    for column, checks in verdicts.items():
        applicable = [verdict for verdict in checks.values() if verdict.is_met is not None]
        passes = sum(verdict.is_met is True for verdict in applicable)
        cells = [words[checks[name].is_met] for name in CHECKS]
        kind = SUBJECTS[column].kind
        rows.append([f"`{column}`", kind, f"{passes} of {len(applicable)}", *cells])
    return table(["metric", "kind", "passes", *CHECKS], rows)


def failures(verdicts: Mapping[str, Mapping[str, Outcome]]) -> str:
    """The first demand of a check that each metric does not meet."""
    rows = []
    for column, checks in verdicts.items():
        failed = [f"{name}: {v.failure}" for name, v in checks.items() if v.is_met is False]
        rows.append([f"`{column}`", "; ".join(failed) or "nothing"])
    return table(["metric", "first demand not met"], rows)


def demands(check: SanityCheck) -> str:
    """What a check asks, by kind of metric."""
    kinds = dict.fromkeys(key.partition("/")[0] for key in check.rules)
    lines = []
    for kind in kinds:
        says = {
            case: "; ".join(say_rule(check, rule, "") for rule in check.rules_of(kind, case))
            for case in check.cases
        }
        same = len(set(says.values())) == 1
        parts = [next(iter(says.values()))] if same else [f"{k}: {v}" for k, v in says.items()]
        lines.append(f"- {kind}: {', '.join(parts)}")
    return "\n".join(lines) + "\n"


def value_tables(name: str, values: Values) -> str:
    """Every metric's values along one check."""
    check = CHECKS[name]
    parts = [f"#### {name}\n", f"Along: {check.title}.\n", demands(check)]
    for case, columns in values.items():
        rows = []
        for column in SUBJECTS:
            verdict = outcome_of(check, values, column)
            if column in columns:
                cells = [f"{value:.3g}" for value in columns[column]]
                rows.append([f"`{column}`", *cells, _word(verdict)])
        head = [case or "metric", *(f"{point:g}" for point in check.points), "meets all"]
        parts.append(table(head, rows))
    return "\n".join(parts)


def _word(verdict: Outcome) -> str:
    return {True: "yes", False: "no", None: "-"}[verdict.is_met]


def controls_section(controls: Controls) -> str:
    """The section of the controls: a control a line, a column of :data:`SHOWN` each."""
    measured = [name for name in SHOWN if any(name in columns for columns in controls.values())]
    rows = [
        [name, *(_cell(columns.get(column, ())) for column in measured)]
        for name, columns in controls.items()
    ]
    names = [f"`{column}`" for column in measured]
    return f"{CONTROLS_HEAD}\n{table(['control', *names], rows)}"


def _cell(values: Sequence[float]) -> str:
    """Mean, lowest and highest.

    >>> _cell([0.5, 1.0])
    '0.75 (0.5, 1)'
    """
    if not len(values):
        return "-"
    mean = sum(values) / len(values)
    return f"{mean:.3g} ({min(values):.3g}, {max(values):.3g})"
