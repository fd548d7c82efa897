"""What an entry of a lineage record has to do with the groups."""

from typing import Literal

Kind = Literal["input", "threshold", "artifact", "environment"]

# Entries that say where a run took place, or who did it: the groups do not follow from them.
_PLACES = (
    "data.source.uri",
    "settings.data_dir",
    "settings.dataset.path",
    "settings.dataset.urls",
    "settings.device",
    "settings.evaluate",
    "settings.parent",
    "settings.threads",
    "settings.user_file",
    # What the files held is recorded by digests, with the parent.
    "settings.vectors",
)


def kind_of(name: str) -> Kind:
    """Say what an entry of the lineage record, by its dotted path, has to do with the groups.

    >>> kind_of("settings.seed"), kind_of("settings.threads")
    ('input', 'environment')
    """
    if name.startswith("thresholds."):
        return "threshold"
    is_place = any(name == place or name.startswith(f"{place}.") for place in _PLACES)
    return "environment" if is_place or name.startswith("environment.") else "input"
