"""``nc-testbed VERB [FOLDER...] KEY=VALUE...``: which
module a verb is, and how its words end."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from nc_testbed import __version__
from nc_testbed.config.build import nearest
from nc_testbed.core.errors import BadInput


class Verb(NamedTuple):
    """A verb: the module whose ``main`` it is, and what it does."""

    module: str
    text: str


VERBS = {
    "train": Verb("nc_testbed.cli.train", "make a run, or the runs of a sweep"),
    "report": Verb("nc_testbed.cli.report", "tell the story of finished runs: a page, figures"),
    "export": Verb("nc_testbed.cli.export", "write finished runs as one tidy table"),
    "verify": Verb("nc_testbed.cli.verify_run", "check a run, and where its rows came from"),
    "rebuild": Verb("nc_testbed.cli.rebuild", "make a run's TensorBoard view anew"),
    "plan": Verb("nc_testbed.cli.plan", "say how much real data is needed"),
    "claims": Verb("nc_testbed.cli.claims", "give a verdict on every claim"),
    "controls": Verb("nc_testbed.cli.show_controls", "say what metrics read on known rows"),
    "measure": Verb("nc_testbed.cli.measure_samples", "measure samples made elsewhere"),
    "bench": Verb("nc_testbed.cli.bench", "measure speed, as ratios side by side"),
}
HEAD = """nc_testbed: what happens to generative models retrained on what models made.

nc-testbed VERB [FOLDER...] KEY=VALUE...

"""
FOOT = """
nc-testbed VERB --help says which folders and keys a verb takes. out=FOLDER says where it writes:
a relative one follows the folder you stand in; without it outputs/ of the checkout is taken, where
there is one. Without a verb, words are those of train: nc-testbed policy=anchor."""


def open_door() -> None:
    """Run the verb that the command line names; exit
    with 2 and the nearest one for a wrong one."""
    words = sys.argv[1:]
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        return show(help_page())
    if first == "--version":
        return show(version())
    if first not in VERBS and first[:1].isalpha() and "=" not in first:
        refuse(BadInput("verb", first, nearest(first, VERBS)))
    named = first in VERBS
    module = importlib.import_module(VERBS[first if named else "train"].module)
    module.main(words[1:] if named else words)


def help_page() -> str:
    """The verbs, and the grammar they share."""
    width = max(map(len, VERBS)) + 2
    return (
        HEAD + "".join(f"  {name:{width}}{verb.text}\n" for name, verb in VERBS.items()) + FOOT
    )


def version() -> str:
    """This package's name and version."""
    return f"nc_testbed {__version__}"


def verb(
    page: str | None,
) -> Callable[[Callable[[Sequence[str]], int | None]], Callable[..., None]]:
    """Decorate what a verb does with its words; its status is the process's.

    The words are those of the command line where none are given. page: what ``--help``
    prints, None where the verb has a page of its own. Bad input ends in one line and
    status 2.
    """

    def decorate(run: Callable[[Sequence[str]], int | None]) -> Callable[..., None]:
        @functools.wraps(run)
        def main(words: Sequence[str] | None = None) -> None:
            words = sys.argv[1:] if words is None else words
            if "--version" in words:
                return show(version())
            if page is not None and {"-h", "--help"} & set(words):
                return show(page)
            try:
                status = run(words)
            except BadInput as error:
                refuse(error)
            except KeyboardInterrupt:  # before a run has begun, which would have noted it
                sys.exit(130)
            if status:
                sys.exit(status)

        return main

    return decorate


def refuse(error: BadInput) -> NoReturn:
    """Say what is wrong in one line; exit with 2."""
    print(f"nc_testbed: {error}", file=sys.stderr)
    sys.exit(2)


def show(page: str) -> None:
    """Print a page; whoever reads it may have seen enough (``--help | head``)."""
    try:
        print(page, flush=True)
    except BrokenPipeError:  # nothing more may be written, not at the exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
