"""Small real data that come with scikit-learn:
digits, a table of tumours, a table of wines."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, final

import numpy as np

from nc_testbed.core.space import Space
from nc_testbed.data.real_source import RealSource
from nc_testbed.data.rows import Rows


@final
@dataclass(frozen=True, kw_only=True)
class Digits(RealSource):
    """1,797 handwritten digits, 8x8 pixels of 0..16 stored as ``round(255 v / 16)``
    uint8.

    Source: E. Alpaydin and C. Kaynak 1998, Optical Recognition of Handwritten Digits
    (UCI, CC BY 4.0), the test part, as in scikit-learn's ``load_digits``.
    """

    def read(self) -> Rows:
        """All rows of the data set."""
        # Imported where used: it takes a second.
        from sklearn.datasets import load_digits

        bunch: Any = load_digits()
        return Rows(
            name="digits",
            space=Space((8, 8), image=True),
            x=np.round(bunch.data * (255 / 16)).astype(np.uint8),
            y=bunch.target.astype(np.int64),
            classes=tuple("0123456789"),
            record={"scikit-learn": version("scikit-learn")},
        )


@final
@dataclass(frozen=True, kw_only=True)
class BreastCancer(RealSource):
    """569 tumours, 30 standardised measurements each, malignant (212) or benign (357).

    Source: W. Wolberg, O. Mangasarian, N. Street, W. Street 1995, Breast Cancer Wisconsin
    (Diagnostic) (UCI, CC BY 4.0), as in scikit-learn's ``load_breast_cancer``.
    """

    def read(self) -> Rows:
        """All rows, standardised once the held-out rows are known."""
        from sklearn.datasets import load_breast_cancer

        return _table("breast_cancer", load_breast_cancer())


@final
@dataclass(frozen=True, kw_only=True)
class Wine(RealSource):
    """178 wines of three growers (59, 71, 48), 13 standardised chemical measurements
    each.

    Source: S. Aeberhard and M. Forina 1992, Wine (UCI, CC BY 4.0), as in scikit-learn's
    ``load_wine``.
    """

    def read(self) -> Rows:
        """All rows, standardised once the held-out rows are known."""
        from sklearn.datasets import load_wine

        return _table("wine", load_wine())


def _table(name: str, bunch: Any) -> Rows:
    """The rows of a table that scikit-learn has loaded."""
    return Rows(
        name=name,
        space=Space((bunch.data.shape[1],), image=False),
        x=bunch.data.astype(np.float64),
        y=bunch.target.astype(np.int64),
        classes=tuple(str(word) for word in bunch.target_names),
        standardize=True,
        record={"scikit-learn": version("scikit-learn")},
    )
