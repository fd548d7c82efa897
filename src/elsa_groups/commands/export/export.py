"""Write the groups of a run in the formats that group recommenders read."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from elsa_groups.base.errors import InputError
from elsa_groups.base.files import write_json
from elsa_groups.base.temporary import make_folder, remove_left
from elsa_groups.commands.export.folders import write_agree, write_groupim, write_grouprec
from elsa_groups.commands.export.plain import Counts, Exported, write_notebook, write_sagea
from elsa_groups.commands.export.publication import write_publication
from elsa_groups.commands.recorded import load_again, settings_again
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.split import hold_out
from elsa_groups.settings.commands import DataPlaces, ExportSettings, Format, GenerateSettings, History
from elsa_groups.tracking.load import GroupsRun, load_groups_run, open_record
from elsa_groups.tracking.recorded_parent import recorded_checkpoint
from elsa_groups.tracking.run import EXPORTS, KIND, launched_run

log = logging.getLogger("elsa_groups.cli")

SUMMARY = "export.json"
WRITERS: dict[Format, Callable[[Path, Exported], Counts]] = {
    Format.notebook: write_notebook,
    Format.sagea: write_sagea,
    Format.agree: write_agree,
    Format.groupim: write_groupim,
    Format.grouprec: write_grouprec,
}


def run(settings: ExportSettings, _: list[str]) -> None:
    """Export the groups of a run."""
    _tag_launched(settings.groups_run_id)
    out_dir = find_out_dir(settings.out_dir)
    check_out_dir(out_dir)
    groups = load_groups_run(settings.groups_run_id, check_store=settings.check_store)
    asked = settings_again(groups.lineage, settings)
    formats = list(dict.fromkeys(settings.formats))
    # What is published has no histories, and so needs no data.
    with_histories = [name for name in formats if name != Format.zenodo]
    exported = _with_vectors(gather(groups, settings), settings) if with_histories else None
    with new_folder(out_dir) as folder:
        counts = write_formats(folder, with_histories, exported) if exported else {}
        if Format.zenodo in formats:
            place = folder / Format.zenodo
            place.mkdir()
            counts[str(Format.zenodo)] = write_publication(place, open_record(settings.groups_run_id))
        _write_summary(folder / SUMMARY, groups, settings, asked, counts)
    for name, numbers in counts.items():
        print(f"{name}: {', '.join(f'{what} {number:,}' for what, number in numbers.items())}")
    print(f"exported to: {out_dir}", flush=True)


def find_out_dir(given: str) -> Path:
    """Return the folder itself: a link to it cannot be replaced by what is written."""
    try:
        return Path(given).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(f"out_dir: {given} leads to no folder ({error}); name another") from error


def check_out_dir(out_dir: Path) -> None:
    """Refuse a folder that something is in, or that cannot be replaced."""
    if out_dir == Path.cwd():
        got = "the working folder"
    elif out_dir.is_mount():
        got = "a mount point"
    elif out_dir.is_dir():
        if not any(out_dir.iterdir()):
            return
        got = "one with files in it"
    elif out_dir.exists():
        got = "a file"
    else:
        return
    raise InputError(f"out_dir: expected a new or empty folder, got {got}, {out_dir}; name another")


def _tag_launched(groups_run_id: str) -> None:
    """Say of the run that `mlflow run` made, if there is one, what it is; its exit code ends it."""
    if launched := launched_run():
        launched.set_tags({KIND: "export", EXPORTS: groups_run_id})


def gather(groups: GroupsRun, settings: ExportSettings) -> Exported:
    """Put together what is exported: groups, and histories of which a part is held out."""
    min_members = min_members_of(settings.group_items.min_members, groups)
    asked = settings_again(groups.lineage, settings)
    return exported_of(groups, asked, recorded_data(groups, asked, settings), min_members)


def exported_of(
    groups: GroupsRun, asked: GenerateSettings, interactions: Interactions, min_members: int | None
) -> Exported:
    """Put groups beside the histories they were drawn from, of which the seeded part is held out."""
    # With history=inputs groups were drawn without these very targets; otherwise it would have been these.
    train, test = hold_out(
        interactions.matrix,
        np.arange(interactions.n_users),
        target_ratio=asked.holdout.target_ratio,
        seed=asked.seed,
    )
    if asked.history != History.inputs:
        log.warning("the groups were drawn by full histories: they have seen what is held out here")
    return Exported(
        # One of the names there are, as the record's own word for it need not be: folders are named after it.
        dataset=asked.dataset.name,
        user_set=asked.user_set_name,
        user_ids=interactions.user_ids,
        item_ids=interactions.item_ids,
        train=train,
        test=test,
        groups={key: group.members for key, group in groups.items()},
        min_members=min_members,
        seed=asked.seed,
    )


def _with_vectors(exported: Exported, settings: ExportSettings) -> Exported:
    """Add the item vectors that the groups were drawn by, where a format has them and they are not gone."""
    if Format.sagea not in settings.formats:
        return exported
    try:
        record = open_record(settings.groups_run_id)
        return replace(exported, encoder=recorded_checkpoint(record, len(exported.item_ids))[0])
    except InputError as error:
        log.warning("sagea: no checkpoint is written: %s", error)
        return exported


def recorded_data(groups: GroupsRun, asked: GenerateSettings, places: DataPlaces) -> Interactions:
    """Load the data, which must be those that groups were drawn from: rows and ids are theirs."""
    interactions = load_again(groups.lineage, asked, places)
    recorded = groups.lineage["data"]["digest"]
    if interactions.digest != recorded:
        raise InputError(
            f"data: expected those of run {groups.run_id}, digest {recorded}, got {interactions.source.uri},"
            f" digest {interactions.digest}; give its data_dir or path"
        )
    return interactions


def min_members_of(asked: int | str, groups: GroupsRun) -> int | None:
    """Return how many members must have an item, None for all of them."""
    if asked == "all":
        return None
    most = max(group.members.shape[1] for group in groups.values())
    # Text of digits where MLflow passed it.
    if not str(asked).isdecimal() or not 1 <= int(asked) <= most:
        raise InputError(
            f"group_items.min_members: expected all, or a number from 1 to {most}, the size of the largest"
            f" groups, got {asked}"
        )
    return int(asked)


def write_formats(folder: Path, formats: Sequence[Format], exported: Exported) -> dict[str, Counts]:
    """Write each format to a folder of its own; return what was written."""
    counts = {}
    for name in formats:
        (folder / name).mkdir()
        counts[str(name)] = WRITERS[name](folder / name, exported)
        if empty := [what for what, number in counts[name].items() if not number and "left_out" not in what]:
            log.warning("%s: nothing in %s; few groups, or group_items.min_members", name, ", ".join(empty))
    return counts


def _write_summary(
    path: Path,
    groups: GroupsRun,
    settings: ExportSettings,
    asked: GenerateSettings,
    counts: Mapping[str, Counts],
) -> None:
    content = {
        "groups_run_id": groups.run_id,
        "groups_digest": groups.digest,
        "data_digest": groups.lineage["data"]["digest"],
        "dataset": asked.dataset.name,
        "user_set": asked.user_set_name,
        "history": groups.settings.get("history", "full"),
        "seed": asked.seed,
        "min_members": min_members_of(settings.group_items.min_members, groups) or "all",
        "written": counts,
    }
    write_json(path, content, indent=2)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder beside a target to write to, which becomes the target in the end, or is removed.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_left(f".{target.name}.", target.parent)
        folder = make_folder(f".{target.name}.", target.parent)
        try:
            yield folder
            # What is made for this process alone is to be read by others as any new folder is.
            umask = os.umask(0)
            os.umask(umask)
            folder.chmod(0o777 & ~umask)
            folder.replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"out_dir: {target} could not be written ({error.strerror or error}); name another folder"
        ) from error
