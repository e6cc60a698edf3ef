"""The words of verbs that measure rows and fit no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nc_testbed.config.build import nearest
from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.config.overrides import parse
from nc_testbed.core.errors import BadInput, require

SHARED = ("data", "metrics", "seed", "evaluation", "device", "compute", "extensions")
"""What these verbs share with a run."""
UNUSED = (
    "model", "policy", "n", "budget", "generations", "stream", "sampling", "record", "store",
    "dashboard", "experiment", "sweep", "size", "figure", "objective",
)  # fmt: skip
"""What only a run has."""


def split_words(
    words: Sequence[str], verb_keys: Sequence[str], shared: Sequence[str] = SHARED
) -> tuple[dict[str, str], list[str]]:
    """A verb's own keys with their texts, and the words that it shares with a run.

    Raises BadInput for any other word, and for several values of one key.
    """
    texts: dict[str, str] = {}
    passed = []
    for word in words:
        key, equals, text = word.partition("=")
        require(bool(equals) and not key.startswith("-"), word, "", "write key=value")
        if key in verb_keys:
            texts[key] = text
            continue
        head = key.lstrip("+~").partition(".")[0].partition("@")[0]
        require(head not in UNUSED, key, text, "nothing is fitted here: leave it out")
        keys = [*verb_keys, *shared]
        require(head in keys and head not in verb_keys, key, text, nearest(key, keys))
        passed.append(word)
    for override in parse(passed):
        remedy = "give one value"
        require(not override.is_sweep_override(), override.key_or_group, "", remedy)
    return texts, passed


def compose_words(words: Sequence[str]) -> dict[str, Any]:
    """Plain settings of a run of these overrides."""
    with configurations():
        config = compose_config(words)
    return {key: value for key, value in config.items() if key not in STUDY}


def read_chain(text: str | None) -> int:
    """The number of a chain, 0 by default; BadInput (``chain``) for what is none."""
    if text is None:
        return 0
    is_number = text.isdecimal() and len(text) < 7
    if not is_number:
        raise BadInput("chain", text, "give the number of a chain, 0 the first")
    return int(text)
