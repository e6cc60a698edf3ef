"""Both ends of every arm as tables: a wide one for a README, a long one for the page."""

from __future__ import annotations

from nc_testbed.core.intervals import share
from nc_testbed.record.controls import Controls
from nc_testbed.record.floors import LABELS, TABLED, control_means
from nc_testbed.record.summary import extremes, worst_decile
from nc_testbed.report.arm import Arm, join_controls
from nc_testbed.report.comparison import Comparison, at, lost, of_chains
from nc_testbed.report.differences import change
from nc_testbed.report.sentences import plain
from nc_testbed.report.style import caption


def markdown(compared: Comparison) -> str:
    """A line per arm: each metric at both ends, of the headline also its lowest and highest
    chain at the last generation and the chains that lost three quarters of it; a line per
    control that was measured, its mean below the last generation's; and what the numbers
    rest on."""
    ends = _ends(compared)
    judge = compared.judged_by
    header = ["policy", "chains"]
    header += [f"{name}, generation {g}" for name in compared.names for g in ends]
    has_losses = judge is not None and compared.per_chain
    if has_losses:
        header += [
            f"lowest and highest {judge}, generation {compared.last}",
            f"chains that lost 3/4 of {judge}",
        ]
    lines = [header, ["---"] * len(header)]
    for arm in compared.arms:
        line = [arm.label, str(arm.chains)]
        line += [at(arm, name, g).text() for name in compared.names for g in ends]
        if has_losses:
            line += [_range(arm, compared), "{} of {}".format(*lost(arm, compared))]
        lines.append(line)
    lines += _control_lines(compared, len(header))
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{rows}\n{caption(compared.arms)}\n"


def long(compared: Comparison) -> tuple[list[str], list[list[str]]]:
    """A header, and a line per arm and metric: both ends and the change within chains; of
    the headline also the chains that lost three quarters of it, with the interval of
    their share, its worst decile at both ends, and its lowest and highest chain at the
    last generation; and what real rows, rows without the tail and independent columns
    read, where that was measured."""
    ends = _ends(compared)
    header = ["policy", "metric", *(f"generation {g}" for g in ends)]
    if compared.per_chain:
        header.append("change within chains")
    if compared.per_chain and compared.judged_by is not None:
        header += ["chains that lost 3/4", "worst decile", "lowest and highest chain"]
    tabled = _controls_to_table(compared)
    header += [LABELS[control] for control in tabled]
    lines = []
    for arm in compared.arms:
        for name in compared.names:
            line = [arm.label, plain(name), *(at(arm, name, g).text() for g in ends)]
            line += _of_chains(arm, name, compared) if compared.per_chain else []
            lines.append(line + [_level(arm.controls, name, control) for control in tabled])
    return header, lines


def _of_chains(arm: Arm, name: str, compared: Comparison) -> list[str]:
    moved = [change(arm, name, compared.first, compared.last).text()]
    if compared.judged_by is None:
        return moved
    if name != compared.judged_by:
        return [*moved, "", "", ""]
    count, of = lost(arm, compared)
    worst = (f"{worst_decile(of_chains(arm, name, g)):.3g}" for g in _ends(compared))
    lost_share = f"{count} of {of}: {share(count, of).text()}"
    return [*moved, lost_share, " to ".join(worst), _range(arm, compared)]


def _range(arm: Arm, compared: Comparison) -> str:
    """The lowest and the highest chain's headline at the last generation."""
    values = of_chains(arm, str(compared.judged_by), compared.last)
    lowest, highest = extremes(values)
    return f"{lowest:.3g} to {highest:.3g}"


def _control_lines(compared: Comparison, width: int) -> list[list[str]]:
    """A line per control: its means, below those of the last generation."""
    controls = join_controls([arm.controls for arm in compared.arms])
    blank = [""] * (len(_ends(compared)) - 1)
    lines = []
    for control in _controls_to_table(compared):
        line = [LABELS[control], ""]
        for name in compared.names:
            line += [*blank, _level(controls, name, control)]
        lines.append(line + [""] * (width - len(line)))
    return lines


def _controls_to_table(compared: Comparison) -> list[str]:
    """The controls that tables show, those that any arm has."""
    return [x for x in TABLED if any(x in arm.controls for arm in compared.arms)]


def _level(controls: Controls, name: str, control: str) -> str:
    """The mean of a column on a control, empty where it is undefined."""
    mean = control_means(controls, name).get(control)
    return "" if mean is None else f"{mean:.3g}"


def _ends(compared: Comparison) -> list[int]:
    """The first and the last generation, once where they are one."""
    return list(dict.fromkeys((compared.first, compared.last)))
