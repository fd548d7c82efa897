"""The typed schema behind conf/, and the one place where configuration becomes plain arguments."""

import atexit
import math
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from elsa_groups.base.errors import InputError
from elsa_groups.groups.family import Family, Linkage, Rule, find_partners
from elsa_groups.settings.datasets import DATASETS, DatasetConf
from elsa_groups.settings.filters import FILTER_RANGES, FiltersConf


@dataclass
class ModelConf:
    """How ELSA is trained; see :class:`elsa_groups.model.training.TrainingSettings`."""

    factors: int = MISSING
    epochs: int = MISSING
    batch_size: int = MISSING
    learning_rate: float = MISSING
    patience: int = MISSING


class CenterConf(Enum):
    """What is taken from the embeddings of users before they are compared."""

    none = "none"
    mean = "mean"


class SourceConf(Enum):
    """What users are compared by: embeddings, or the histories themselves."""

    elsa = "elsa"
    history_cosine = "history_cosine"
    pearson = "pearson"


@dataclass
class SimilarityConf:
    """How users are compared."""

    source: SourceConf = SourceConf.elsa
    center: CenterConf = CenterConf.none


@dataclass
class ThresholdConf:
    """One threshold: a quantile of all pair similarities, unless a value is given."""

    quantile: float = MISSING
    value: float | None = None


@dataclass
class BandEndConf:
    """One end of the band: a quantile of all pair similarities, unless a value is given."""

    quantile: float | None = None
    value: float | None = None


@dataclass
class BandConf:
    """Where the rule band begins and ends; not needed unless a family asks for it."""

    low: BandEndConf = field(default_factory=BandEndConf)
    high: BandEndConf = field(default_factory=BandEndConf)


class MethodConf(Enum):
    """How quantiles are found."""

    auto = "auto"
    exact = "exact"
    sampled = "sampled"


class UserSetConf(Enum):
    """Users by the parent's split; see :func:`elsa_groups.groups.users.rows_of_set`."""

    all = "all"
    train = "train"
    val = "val"
    test = "test"


class HistoryConf(Enum):
    """Which part of histories is looked at."""

    full = "full"
    inputs = "inputs"


@dataclass
class HoldoutConf:
    """What of a history is a target; see :func:`elsa_groups.data.split.hold_out`."""

    target_ratio: float = 0.2


@dataclass
class ThresholdsConf:
    """The thresholds; see :func:`elsa_groups.similarity.thresholds.find_thresholds`.

    ``users`` null: the users that groups are drawn from.
    """

    method: MethodConf = MISSING
    users: UserSetConf | None = None
    similar: ThresholdConf = field(default_factory=ThresholdConf)
    divergent: ThresholdConf = field(default_factory=ThresholdConf)
    band: BandConf = field(default_factory=BandConf)
    exact_budget: float = MISSING
    sampled_pairs: int = MISSING


@dataclass
class FamilyConf:
    """One family; see :class:`elsa_groups.groups.family.Family`. ``n_groups`` null: the top-level one."""

    compositions: list[list[int]] = MISSING
    within: Rule = Rule.any
    across: Rule = Rule.any
    linkage: Linkage = Linkage.mean
    n_groups: int | None = None
    paired_with: str | None = None


FAMILY_KEYS = tuple(field.name for field in fields(FamilyConf))


@dataclass
class SamplingConf:
    """Bounds of the sampler; see :func:`elsa_groups.groups.sampler.draw_groups`."""

    max_draws: int | None = MISSING
    max_restarts: int = MISSING


@dataclass
class BaselineConf:
    """Random groups of the same size that each key is compared with: at least as many as it has."""

    n_groups: int = MISSING


@dataclass
class OverlapConf:
    """From which share of common members on two groups count as overlapping."""

    threshold: float = MISSING


@dataclass
class EvidenceConf:
    """Random halves of the users that all is drawn from again, for intervals; null: no intervals."""

    # As of records that are older than this setting.
    halves: int | None = None


@dataclass
class TrainConf:
    """Entry point train."""

    dataset: DatasetConf = field(default_factory=DatasetConf)
    data_dir: str = MISSING
    model: ModelConf = field(default_factory=ModelConf)
    val_ratio: float = MISSING
    test_ratio: float = MISSING
    seed: int = MISSING
    device: str = MISSING
    register_as: str | None = None
    register_alias: str | None = None


@dataclass
class GenerateConf:
    """Entry point generate."""

    dataset: DatasetConf = field(default_factory=DatasetConf)
    data_dir: str = MISSING
    parent: str = MISSING
    n_groups: int = MISSING
    seed: int = MISSING
    threads: int | None = None
    device: str = MISSING
    pin: bool = MISSING
    similarity: SimilarityConf = field(default_factory=SimilarityConf)
    # Defaults here are what records mean that are older than these settings.
    user_set: UserSetConf = UserSetConf.all
    user_sample: int | None = None
    user_file: str | None = None
    history: HistoryConf = HistoryConf.full
    holdout: HoldoutConf = field(default_factory=HoldoutConf)
    thresholds: ThresholdsConf = field(default_factory=ThresholdsConf)
    # FamilyConf by name: plain here, so that a command line may add one; typed by complete().
    families: dict[str, Any] = field(default_factory=dict)
    filters: FiltersConf = field(default_factory=FiltersConf)
    allow_partial: bool = False
    sampling: SamplingConf = field(default_factory=SamplingConf)
    baseline: BaselineConf = field(default_factory=BaselineConf)
    overlap: OverlapConf = field(default_factory=OverlapConf)
    evidence: EvidenceConf = field(default_factory=EvidenceConf)


@dataclass
class EffortConf:
    """How much is tried, and what is thought too much; see :class:`Effort`."""

    attempts: int = MISSING
    hard_restarts: float = MISSING
    completing_share: float = MISSING


@dataclass
class FeasibilityConf(GenerateConf):
    """Entry point feasibility."""

    feasibility: EffortConf = field(default_factory=EffortConf)


@dataclass
class MainConf(GenerateConf, TrainConf):
    """Entry point main: train where no parent fits, then generate."""


@dataclass
class ReproduceConf:
    """Entry point reproduce."""

    groups_run_id: str = MISSING
    data_dir: str | None = None
    path: str | None = None
    strict: bool = MISSING
    threads: int | None = None
    device: str = MISSING


@dataclass
class CompareConf:
    """Entry point compare: one of them says which groups runs."""

    parent: str | None = None
    runs: str | None = None
    filter: str | None = None


class FormatConf(Enum):
    """File formats of groups."""

    notebook = "notebook"
    sagea = "sagea"
    agree = "agree"
    groupim = "groupim"
    grouprec = "grouprec"


@dataclass
class GroupItemsConf:
    """Which items are a group's: those of all members (``all``), or of so many of them."""

    min_members: int | str = MISSING


@dataclass
class ExportConf:
    """Entry point export."""

    groups_run_id: str = MISSING
    out_dir: str = MISSING
    data_dir: str | None = None
    path: str | None = None
    formats: list[FormatConf] = MISSING
    group_items: GroupItemsConf = field(default_factory=GroupItemsConf)


SCHEMAS: dict[str, Any] = {
    "main": MainConf,
    "train": TrainConf,
    "generate": GenerateConf,
    "reproduce": ReproduceConf,
    "compare": CompareConf,
    "export": ExportConf,
    "feasibility": FeasibilityConf,
}
# Least and largest values of settings that no room checks by itself.
_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "threads": (1, math.inf),
    "n_groups": (1, math.inf),
    "user_sample": (1, math.inf),
    "baseline.n_groups": (1, math.inf),
    "sampling.max_draws": (1, math.inf),
    "sampling.max_restarts": (0, math.inf),
    "thresholds.exact_budget": (0, math.inf),
    "thresholds.sampled_pairs": (100, math.inf),
    "overlap.threshold": (0, 1),
    **FILTER_RANGES,
    "evidence.halves": (2, math.inf),
    "feasibility.attempts": (2, 100_000),
    "feasibility.hard_restarts": (0, math.inf),
    "feasibility.completing_share": (0.01, 1),
}


DECLARED = (
    *("dataset", "data_dir", "parent", "n_groups", "seed"),
    *("groups_run_id", "strict", "runs", "filter", "out_dir"),
)


def conf_dir() -> Path:
    """Return the folder of the configuration: inside an installed package, or the checkout's own."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def _scratch_folder() -> str:
    """Make a private folder for what Hydra writes during a sweep; it is removed at exit."""
    folder = tempfile.mkdtemp(prefix="elsa-groups-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def register() -> None:
    """Put the schemas where the defaults lists of conf/ find them."""
    OmegaConf.register_new_resolver("scratch_folder", _scratch_folder, use_cache=True, replace=True)
    store = ConfigStore.instance()
    for name, schema in SCHEMAS.items():
        store.store(f"{name}_schema", schema)
    for name, schema in DATASETS.items():
        store.store(f"{name}_schema", schema, group="dataset")


def complete(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain values, resolved, families typed and their defaults filled in.

    Raises
    ------
    InputError
        For a missing value, or a family with a key or value that its schema does not have.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise InputError(f"{', '.join(missing)}: no value; give {missing[0]}=...")
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    plain.pop("hydra", None)
    if "families" in plain:
        plain["families"] = {
            name: _complete_family(name, family, plain["n_groups"])
            for name, family in plain["families"].items()
        }
        if not plain["families"]:
            raise InputError("families: expected at least one, came none")
    named: dict[str, Any] = _names_for_enums(plain)
    _check_ranges(named)
    return named


def complete_recorded(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that a groups run recorded, checked as those of a command line are.

    Raises
    ------
    InputError
        If they are not settings of entry point generate.
    """
    try:
        conf = OmegaConf.structured(GenerateConf)
        dataset = DATASETS[settings["dataset"]["name"]]
        conf = OmegaConf.merge(conf, {"dataset": OmegaConf.structured(dataset)}, settings)
        return complete(conf)  # type: ignore[arg-type]
    except (OmegaConfBaseException, KeyError, TypeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"settings of the record: {reason}; was lineage.json changed?") from error


def _check_ranges(settings: dict[str, Any]) -> None:
    flat = as_params(settings, "")
    for name, (least, most) in _RANGES.items():
        value = flat.get(name)
        if value is not None and not least <= value <= most:
            upper = "" if most == math.inf else f" and at most {most}"
            raise InputError(f"{name}: expected at least {least}{upper}, came {value}")


def _complete_family(name: str, family: Any, n_groups: int) -> dict[str, Any]:
    try:
        typed = OmegaConf.merge(OmegaConf.structured(FamilyConf), family)
    except (OmegaConfBaseException, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"families.{name}: {reason}; a family has {', '.join(FAMILY_KEYS)}") from error
    if OmegaConf.is_missing(typed, "compositions"):
        raise InputError(
            f"families.{name}.compositions: no value; mistyped {name}, or else give subgroup sizes such as"
            " [[3],[5]]"
        )
    if typed.n_groups is None:
        typed.n_groups = n_groups
    conf: FamilyConf = OmegaConf.to_object(typed)  # type: ignore[assignment]
    return asdict(conf)


def _names_for_enums(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _names_for_enums(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_names_for_enums(item) for item in value]
    return value.name if isinstance(value, Enum) else value


def families_of(settings: dict[str, Any]) -> list[Family]:
    """Return the families that completed settings describe, in name order of the configuration.

    Raises
    ------
    InputError
        If a family is not one, or two share a key.
    """
    try:
        families = [
            Family(
                name,
                tuple(tuple(sizes) for sizes in family["compositions"]),
                Rule[family["within"]],
                Rule[family["across"]],
                Linkage[family["linkage"]],
                family["n_groups"],
                family.get("paired_with"),
            )
            for name, family in settings["families"].items()
        ]
        find_partners(families)
    except ValueError as error:
        raise InputError(str(error)) from error
    keys = Counter(kind.name for family in families for kind in family.types)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise InputError(f"families: expected different keys, came {twice[0]} from two; rename one of them")
    return families


def part_for(settings: dict[str, Any], entry_point: str) -> dict[str, Any]:
    """Return the settings that an entry point has on its own: main's, as generate's or train's."""
    names = {field.name for field in fields(SCHEMAS[entry_point])}
    return {name: value for name, value in settings.items() if name in names}


def as_params(settings: dict[str, Any], prefix: str = "conf.") -> dict[str, Any]:
    """Return nested settings as one mapping of dotted paths, as they are logged.

    >>> as_params({"seed": 42, "overlap": {"threshold": 0.3}})
    {'conf.seed': 42, 'conf.overlap.threshold': 0.3}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= as_params(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
