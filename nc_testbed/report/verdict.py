"""The verdict on a sentence, whether a claim's or a comparison's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VerdictKind = Literal["supported", "refuted", "holds only if", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """What follows for a sentence: its kind, and in words under which conditions."""

    kind: VerdictKind
    text: str

    @property
    def conditions(self) -> str:
        """The words after the kind.

        >>> Verdict("holds only if", "holds only for a; not for b").conditions
        'for a; not for b'
        """
        return self.text.removeprefix(self.kind.removesuffix(" if")).strip(" ,")
