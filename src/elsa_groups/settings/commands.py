"""The settings of every command, as conf/ is typed by them; each object is checked as it is made.

A field without default must have a value in conf/ or on the command line. Defaults are what records of
earlier versions mean, which lack a setting that came later.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

from elsa_groups.base.errors import InputError
from elsa_groups.base.ranges import at_least, between, check_ranges, share
from elsa_groups.data.datasets import DatasetSettings
from elsa_groups.data.user_sets import Splitting, UserSet
from elsa_groups.groups.family import Family, GroupType, Rule
from elsa_groups.groups.filters import NO_FILTERS, CommonItemsScope, Filters
from elsa_groups.model.settings import TrainingSettings
from elsa_groups.settings.families import check_families
from elsa_groups.similarity.limits import ThresholdSettings, check_targets
from elsa_groups.similarity.names import OF_HISTORIES, SimilaritySource

T = TypeVar("T")

# The name of a set of users that a file lists.
FROM_FILE = "file"
LARGEST_SEED = 2**63 - 1


class Center(StrEnum):
    """What is taken from the embeddings of users before they are compared."""

    none = "none"
    mean = "mean"


@dataclass(frozen=True, kw_only=True)
class SimilaritySettings:
    """How users are compared."""

    source: SimilaritySource = SimilaritySource.elsa
    center: Center = Center.none

    def __post_init__(self) -> None:
        """Refuse to centre what is no vector."""
        if self.source in OF_HISTORIES and self.center != Center.none:
            raise InputError(
                f"similarity.center: expected none with similarity.source={self.source}, got {self.center};"
                " only embeddings are centred"
            )


@dataclass(frozen=True, kw_only=True)
class VectorSettings:
    """Where the vectors of users are that ``similarity.source=vectors`` compares.

    Attributes
    ----------
    path : str, optional
        A file; see :mod:`elsa_groups.data.vector_files`.
    artifact : str, optional
        Or such a file among MLflow's artifacts: ``runs:/ID/PATH`` or ``models:/...``.
    items : str, optional
        Item vectors, either way, by which the model recommends.
    """

    path: str | None = None
    artifact: str | None = None
    items: str | None = None

    def __post_init__(self) -> None:
        """Refuse two places, and item vectors of no users."""
        if self.path is not None and self.artifact is not None:
            raise InputError("vectors: expected one of vectors.path and vectors.artifact, got both; give one")
        if self.items is not None and self.given is None:
            raise InputError("vectors.items: expected vectors.path or vectors.artifact beside it; give one")
        for uri in (self.artifact, self.items if self.items and ":/" in self.items else None):
            if uri is not None and not uri.startswith(("runs:/", "models:/")):
                raise InputError(f"vectors: expected an artifact as runs:/ID/PATH or models:/..., got {uri}")

    @property
    def given(self) -> str | None:
        """Where the vectors of users are, if that is said."""
        return self.path if self.artifact is None else self.artifact


class History(StrEnum):
    """Which part of histories is looked at."""

    full = "full"
    inputs = "inputs"


@dataclass(frozen=True, kw_only=True)
class HoldoutSettings:
    """What of a history is a target; see :func:`elsa_groups.data.split.hold_out`."""

    target_ratio: float = 0.2

    def __post_init__(self) -> None:
        """Refuse a share of a history that cannot be held out."""
        if not 0 < self.target_ratio < 1:
            raise InputError(
                f"holdout.target_ratio: expected a share of items in (0, 1), got {self.target_ratio};"
                " correct it"
            )


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """Bounds of the sampler; see :class:`elsa_groups.groups.sampler.Law`."""

    max_draws: int | None = at_least(1)
    max_restarts: int = at_least(0)


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """Random groups of the same size that each type is compared with: at least as many as it has."""

    n_groups: int = at_least(1)


@dataclass(frozen=True, kw_only=True)
class OverlapSettings:
    """From which share of common members on two groups count as overlapping."""

    threshold: float = share()


@dataclass(frozen=True, kw_only=True)
class EvidenceSettings:
    """Random halves of the users that all is drawn from again, for intervals; null: no intervals."""

    halves: int | None = at_least(2, default=None)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of the command train."""

    dataset: DatasetSettings
    data_dir: str
    model: TrainingSettings
    val_ratio: float
    test_ratio: float
    split: Splitting = Splitting.random
    seed: int = between(0, LARGEST_SEED)
    device: str
    register_as: str | None = None
    register_alias: str | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """Settings of the command generate."""

    dataset: DatasetSettings
    data_dir: str
    parent: str
    n_groups: int = at_least(1)
    seed: int = between(0, LARGEST_SEED)
    threads: int | None = at_least(1, default=None)
    device: str
    pin: bool
    similarity: SimilaritySettings = SimilaritySettings()
    vectors: VectorSettings = VectorSettings()
    user_set: UserSet = UserSet.all
    user_sample: int | None = at_least(1, default=None)
    user_file: str | None = None
    history: History = History.full
    holdout: HoldoutSettings = HoldoutSettings()
    thresholds: ThresholdSettings
    families: dict[str, Family]
    filters: Filters = NO_FILTERS
    allow_partial: bool = False
    sampling: SamplingSettings
    baseline: BaselineSettings
    overlap: OverlapSettings
    evidence: EvidenceSettings = EvidenceSettings()
    evaluate: bool = False

    def __post_init__(self) -> None:
        """Refuse what no data could satisfy."""
        check_ranges(self)
        check_families(self.families)
        if self.user_file is not None and self.user_set != UserSet.all:
            raise InputError(
                f"user_file: expected user_set=all beside it, got user_set={self.user_set}; give one"
            )
        _check_filters(self.filters, self.history)
        check_targets(self.thresholds, self.needs_band)
        _check_vectors(self)

    @property
    def types(self) -> tuple[GroupType, ...]:
        """The types of group that are asked for, in order of the configuration."""
        return tuple(kind for family in self.families.values() for kind in family.types)

    @property
    def needs_band(self) -> bool:
        """Whether a family asks for similarities within a band."""
        return any(Rule.band in (family.within, family.across) for family in self.families.values())

    @property
    def user_set_name(self) -> str:
        """Name of the set that groups are drawn from: of a part of the users, or ``file``."""
        return FROM_FILE if self.user_file is not None else str(self.user_set)


def _check_vectors(settings: GenerateSettings) -> None:
    """Refuse vectors that nothing compares, and none where they are to be compared."""
    given, by_vectors = settings.vectors.given, settings.similarity.source == SimilaritySource.vectors
    if given is not None and not by_vectors:
        raise InputError(
            f"vectors: expected similarity.source=vectors beside {given}, got"
            f" similarity.source={settings.similarity.source}; set it, or leave the vectors out"
        )
    if by_vectors and given is None and settings.parent == "newest":
        raise InputError(
            "similarity.source=vectors: expected vectors.path=FILE, vectors.artifact=... or parent=ID of a"
            " run that holds vectors, got none; give one"
        )
    if by_vectors and settings.pin:
        raise InputError("pin: expected false with similarity.source=vectors, got true; keep the parent run")


def _check_filters(filters: Filters, history: History) -> None:
    """Refuse filters that no pair could pass, and targets where nothing is held out."""
    least, most = filters.min_pair_similarity.value, filters.max_pair_similarity.value
    if least is not None and most is not None and least > most:
        raise InputError(
            f"filters.min_pair_similarity: expected at most {most}, as filters.max_pair_similarity,"
            f" got {least}"
        )
    common = filters.min_common_items
    if common.value is not None and common.scope == CommonItemsScope.targets and history == History.full:
        raise InputError(
            "filters.min_common_items.scope: expected history, half or sagea with history=full, which holds"
            " nothing out, got targets; set history=inputs"
        )


@dataclass(frozen=True, kw_only=True)
class MainSettings(GenerateSettings, TrainSettings):
    """Settings of the command main: train where no parent fits, then generate."""


@dataclass(frozen=True, kw_only=True)
class EffortSettings:
    """How much is tried, and what is thought too much.

    Attributes
    ----------
    attempts : int
        Walks for each estimate.
    hard_restarts : float
        Expected dropped attempts a group from which on a type is hard.
    completing_share : float in (0, 1]
        Share of attempts that complete by a quantile which would do.
    """

    attempts: int = between(2, 100_000)
    hard_restarts: float = at_least(0)
    completing_share: float = between(0.01, 1)


@dataclass(frozen=True, kw_only=True)
class FeasibilitySettings(GenerateSettings):
    """Settings of the command feasibility."""

    feasibility: EffortSettings


@dataclass(frozen=True, kw_only=True)
class DataPlaces:
    """Where the data of recorded groups are now, for all commands that read them again.

    Attributes
    ----------
    data_dir, path : str, optional
        The folder of data sets, and the very file; None where the record's own place is meant.
    """

    data_dir: str | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings(DataPlaces):
    """Settings of the command reproduce."""

    groups_run_id: str
    strict: bool
    threads: int | None = at_least(1, default=None)
    device: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Settings of the command compare: one of them says which groups runs."""

    parent: str | None = None
    runs: str | None = None
    filter: str | None = None

    def __post_init__(self) -> None:
        """Refuse several ways to name the runs, and none."""
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise InputError(f"compare: expected one of parent=ID, runs=ID,ID,... and filter=..., got {got}")


class Recommender(StrEnum):
    """Whose scores group recommendations are made of: the parent's, or those of a control of grouprec."""

    parent = "parent"
    EASE = "EASE"
    ItemKNN = "ItemKNN"
    Popularity = "Popularity"
    Random = "Random"


class IntervalsOf(StrEnum):
    """Recommenders whose differences between aggregators have intervals."""

    first = "first"
    all = "all"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(DataPlaces):
    """Settings of the command evaluate.

    Attributes
    ----------
    groups_run_id : str
        The groups run.
    check_store : bool
        Whether a record that MLflow's database contradicts is refused.
    recommenders : tuple of Recommender
        Whose scores are aggregated.
    aggregators : tuple of str
        Names of grouprec, or GFARUnseen.
    n_groups : int
        So many groups of each type are evaluated, the first that were drawn.
    halves : int, optional
        Random halves of the users that groups are drawn again from, for intervals; None: no intervals.
    groups_of_half : int
        So many groups of each type from each half, at most.
    intervals : IntervalsOf
        Whether all recommenders have intervals or the first alone, which takes less time.
    """

    groups_run_id: str
    check_store: bool = True
    recommenders: tuple[Recommender, ...] = tuple(Recommender)
    aggregators: tuple[str, ...] = ("ADD", "LMS", "MPL", "AVGNM", "FAI", "GreedyLM", "GFAR", "EPFuzzDA")
    n_groups: int = at_least(1, default=1000)
    halves: int | None = at_least(2, default=25)
    groups_of_half: int = at_least(2, default=30)
    intervals: IntervalsOf = IntervalsOf.first

    def __post_init__(self) -> None:
        """Refuse nothing to evaluate, and names that are given twice."""
        check_ranges(self)
        for name in ("recommenders", "aggregators"):
            given = [str(value) for value in getattr(self, name)]
            if not given or len({*given}) < len(given):
                got = ", ".join(given) or "none"
                raise InputError(f"{name}: expected at least one, each once, got {got}; correct it")


class Format(StrEnum):
    """File formats of groups."""

    notebook = "notebook"
    sagea = "sagea"
    agree = "agree"
    groupim = "groupim"
    grouprec = "grouprec"
    zenodo = "zenodo"


@dataclass(frozen=True, kw_only=True)
class GroupItemsSettings:
    """Which items are a group's: those of all members (``all``), or of so many of them."""

    min_members: int | str


@dataclass(frozen=True, kw_only=True)
class ExportSettings(DataPlaces):
    """Settings of the command export."""

    groups_run_id: str
    out_dir: str
    check_store: bool = True
    formats: tuple[Format, ...]
    group_items: GroupItemsSettings

    def __post_init__(self) -> None:
        """Refuse no format."""
        if not self.formats:
            raise InputError("formats: expected at least one, got none; leave it out for those of conf/")


def part_of(kind: type[T], settings: Any) -> T:
    """Return the settings that a command has on its own: main's, as generate's or train's."""
    return kind(**{field.name: getattr(settings, field.name) for field in fields(kind)})  # type: ignore[arg-type]
