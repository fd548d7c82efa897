"""Where the configuration lies, and which of its keys every command line may give by themselves."""

from pathlib import Path

# Parameters that MLproject declares.
DECLARED = (
    *("dataset", "data_dir", "parent", "n_groups", "seed"),
    *("groups_run_id", "strict", "runs", "filter", "out_dir"),
)


def conf_dir() -> Path:
    """Return the folder of the configuration: inside an installed package, or the checkout's own."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"
