"""The interfaces between the rooms: models and
their fits, stores, policies, generations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from nc_testbed.core.errors import require

# torch takes more than a second to import, and a wrong name or range needs none of it.
if TYPE_CHECKING:
    from torch import Tensor

    from nc_testbed.core.rng import RandomStreams
    from nc_testbed.core.space import Space
    from nc_testbed.core.training_set import TrainingSet


Progress = Callable[[int, int], None]
"""Called after every step of a fit with the steps done and the steps in all."""


def no_progress(done: int, total: int) -> None:
    """A progress callback that does nothing."""


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn from a fit; belongs to the loop, not to the model.

    ``decode``: ``sample`` draws from the model's whole law; ``mean`` takes the decoder's
    mean of a latent draw, as four published VAE studies do. It changes the collapse.
    ``temperature``: T > 0, sampling bias: below 1 samples are truer to type and less
    diverse. Families are sampled from ``p(x)^(1/T)``, normalised; a Gaussian's variance
    is multiplied by T, as are a mixture's covariances, a kernel's variance and the
    variance of an autoencoder's latent draws. ``draw``: ``rows``, or the ``statistics``
    of as many rows, of the same law and at a cost that does not depend on their number;
    ``auto`` = statistics where model, data, policy and metrics allow it.
    """

    decode: Literal["sample", "mean"] = "sample"
    temperature: float = 1.0
    draw: Literal["auto", "rows", "statistics"] = "auto"

    def __post_init__(self) -> None:
        ok = self.temperature > 0
        require(ok, "temperature", self.temperature, "give a number > 0; 1 = no bias")


class Fit(Protocol):
    """R fitted models: frozen tensors ``[R, ...]``."""

    @property
    def space(self) -> Space:
        """The space of its samples."""
        ...

    def sample(self, n: int, streams: RandomStreams, sampling: Sampling) -> Tensor:
        """n independent rows per chain in stored form, ``[R, n, D]``.

        They come in no order: the first m of them are a sample of m rows.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor of the fit, chain axis first; ``Model.restore`` inverts it."""
        ...

    def report(self) -> Mapping[str, Tensor]:
        """Diagnostics of the fit per chain, ``{name: [R]}``
        (floors hit, steps taken, ...)."""
        ...


@runtime_checkable
class Model(Protocol):
    """The frozen hyperparameters of a model; fitting returns a :class:`Fit`."""

    provides: ClassVar[frozenset[str]]
    """What its fits offer to metrics: ``likelihood`` (log_prob or elbo), ``exact``
    (log_prob), ``encoder`` (elbo and latent_means), ``parameters`` (columns)."""

    def check(self, space: Space) -> None:
        """Raise :class:`BadInput` if this model cannot be
        fitted to rows of this space."""
        ...

    def stacks(self, space: Space) -> bool:
        """Whether one CPU thread gives a chain the same bits when it fits many together.

        False is always right, and slower: a CPU then fits one chain at a time on each
        core. What makes it true is told in :mod:`nc_testbed.core.exactness`.
        """
        ...

    def workspace(self, space: Space, m: int) -> int:
        """About how many bytes of memory one chain takes to
        be fitted to m rows, or to draw m."""
        ...

    def fit(
        self,
        training: TrainingSet,
        streams: RandomStreams,
        previous: Fit | None = None,
        progress: Progress = no_progress,
    ) -> Fit:
        """R independent fits; ``previous`` is the last
        generation's fit, for a warm start."""
        ...

    def restore(self, state: Mapping[str, Tensor], space: Space) -> Fit:
        """The fit whose ``state_dict()`` this is."""
        ...


@runtime_checkable
class Stepwise(Protocol):
    """A model that is fitted by updates on
    batches, and so needs no finite set of rows."""

    def updates(self, m: int) -> int:
        """Updates of one fit on a training set of m rows."""
        ...


@runtime_checkable
class Sized(Protocol):
    """A model that says how large its fits are."""

    def disk_bytes(self, space: Space, m: int) -> int:
        """About how many bytes one chain's fit to m rows takes on disk."""
        ...


# Any and no union: the same policy serves both stores, and each store takes back its own parts.
Part = Any
"""Some rows of a store: addresses ``[R, m]``, or a
:class:`nc_testbed.core.family.Statistic`."""
Training = Any
"""What a model is fitted to: a :class:`TrainingSet`, or a ``Statistic``."""


class Store(Protocol):
    """All rows that a policy can choose from, or their sufficient statistics.

    ``streams`` are those of the generation whose training set is composed.
    """

    @property
    def size(self) -> int:
        """n, how many rows the last synthetic set has."""
        ...

    @property
    def first(self) -> int:
        """n0, how many real rows generation 0 has."""
        ...

    def original(self) -> Part:
        """All real rows of generation 0."""
        ...

    def latest(self, m: int) -> Part:
        """m <= n rows of the last synthetic set."""
        ...

    def everything(self, budget: int | None, streams: RandomStreams) -> Part:
        """Generation 0's real rows and all synthetic ones, or a budget of them."""
        ...

    def fresh(self, k: int, streams: RandomStreams) -> Part:
        """k real rows that no generation has seen."""
        ...

    def pool(self, k: int, streams: RandomStreams) -> Part:
        """k of generation 0's real rows, drawn anew without replacement."""
        ...

    def fixed_rows(self, k: int, streams: RandomStreams) -> Part:
        """k of generation 0's real rows, the same in every generation."""
        ...

    def collected_rows(self, k: int, streams: RandomStreams) -> Part:
        """Generation 0's real rows and k fresh ones for every generation since then."""
        ...

    def view(self, *parts: Part) -> Training:
        """The training set made of these parts."""
        ...


class Policy(ABC):
    """Which rows, from which generation, a fit is trained on.

    A subclass says how to compose them. All else has a default, which fits a policy that
    composes from the last synthetic set and generation 0's real rows, and refuses
    nothing.
    """

    window: ClassVar[int | None] = 1
    """Past synthetic sets that it looks back on, None = all."""
    trains_on_real: ClassVar[bool] = True
    """Whether it may train on real rows after generation 0."""
    needs_classifier: ClassVar[bool] = False
    """Whether it needs the referee's opinion of every synthetic row."""

    @abstractmethod
    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """The training set of generation
        ``streams.generation`` >= 1, a view of the archive."""

    def check(self, n: int, budget: int | None, real: int) -> None:  # noqa: B027
        """Raise :class:`BadInput` if it cannot serve these settings; by default it serves
        all.

        n: rows of a synthetic set. real: rows of generation 0. Keys are the policy's own,
        or the run's ``n`` and ``budget``.
        """

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """Real rows taken in every generation after generation 0, by source.

        Sources are fresh (never seen before), pool (of generation 0, drawn anew) and
        fixed (of generation 0, the same). Rows that ``archive.original()`` gives are not
        counted.
        """
        return {}

    def needs_rows(self, budget: int | None) -> bool:
        """Whether it draws from stored synthetic rows, so
        that statistics are not enough."""
        return False


@dataclass(frozen=True)
class Generation:
    """The result of one generation.

    number: of the generation. weights: the fit's tensors. record: ``{metric: [R]}``,
    empty where the generation was not to be measured. In a loop on rows: synthetic
    ``[R, n, D]``, pictures ``[R, m, D]``, and the lineage of the rows trained on, for
    each run whose chains these are (see :func:`nc_testbed.loop.lineage.lineage`). In a
    loop on sufficient statistics: those that the fit was made from.
    """

    number: int
    weights: dict[str, Tensor]
    record: dict[str, Tensor]
    synthetic: Tensor | None = None
    pictures: Tensor | None = None
    statistic: dict[str, Tensor] | None = None
    lineage: tuple[dict[str, Any], ...] = ()
