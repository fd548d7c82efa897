"""Train ELSA on a dataset: the parent run of groups."""

import logging
import re
import shlex
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import torch

from elsa_groups.base.digests import folder_digests
from elsa_groups.base.files import write_json, write_yaml
from elsa_groups.base.stages import stage
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.sagea import split_as_sagea
from elsa_groups.data.split import Split, check_split, split_users
from elsa_groups.data.user_sets import Splitting
from elsa_groups.model.elsa import save_checkpoint
from elsa_groups.model.training import EpochReport, Trained, find_device, train
from elsa_groups.record.code import Code, find_code
from elsa_groups.record.schema import (
    CODE_DIFF,
    CONFIG,
    environment_record,
    parent_lineage,
)
from elsa_groups.settings.commands import TrainSettings
from elsa_groups.settings.conf import DECLARED
from elsa_groups.settings.plain import as_params, plain
from elsa_groups.tracking.parent import CHECKPOINT
from elsa_groups.tracking.run import (
    DATASET,
    KIND,
    RunHandle,
    tracked_run,
    writing_folder,
)

log = logging.getLogger("elsa_groups.cli")


@dataclass(frozen=True)
class Training:
    """A training of ELSA, and what came of it.

    Attributes
    ----------
    settings : TrainSettings
        What was asked for.
    interactions : Interactions
        The data.
    split : Split
        The users of each part.
    trained : Trained
        Item vectors and scores.
    code : Code
        The code that ran, as it was before the work.
    """

    settings: TrainSettings
    interactions: Interactions
    split: Split
    trained: Trained
    code: Code


def run(settings: TrainSettings, overrides: list[str]) -> None:
    """Train a parent run."""
    run = train_parent(settings, load_interactions(settings.dataset, settings.data_dir), overrides)
    print(f"to see it: {run.how_to_see()}")
    print(f"parent run: {run.run_id}", flush=True)


def train_parent(
    settings: TrainSettings, interactions: Interactions, overrides: list[str], *, adopt: bool = True
) -> RunHandle:
    """Train and log a parent run; return it.

    Parameters
    ----------
    settings : TrainSettings
        What is asked for.
    interactions : Interactions
        The data.
    overrides : list of str
        What the user changed of the configuration.
    adopt : bool
        Whether the run that `mlflow run` launched is to be the parent; main keeps it for the groups.
    """
    ratios = {"val_ratio": settings.val_ratio, "test_ratio": settings.test_ratio}
    # Refused before there is a run.
    check_split(interactions.n_users, **ratios)
    draw = split_as_sagea if settings.split == Splitting.sagea else split_users
    split = draw(interactions.n_users, **ratios, seed=settings.seed)
    find_device(settings.device)
    code = find_code()
    with tracked_run(f"ELSA {interactions.dataset} d={settings.model.factors}", adopt=adopt) as run:
        log.info("training ELSA on %d users: parent run %s", len(split.train), run.run_id)
        run.set_tags({KIND: "elsa", DATASET: interactions.dataset})
        run.log_params(_contract_params(settings, interactions) | as_params(settings))
        run.log_data(interactions, "training")
        trained = _train(settings, interactions, split, run)
        model_id = _log(run, Training(settings, interactions, split, trained, code), overrides)
    # Not before the run is over: a version is there to be used.
    if settings.register_as:
        run.register_model(model_id, settings.register_as, settings.register_alias)
    log.info(
        "parent run %s: test nDCG@20 %.3f, recall@20 %.3f",
        run.run_id, trained.test_ndcg_at_20, trained.test_recall_at_20,
    )  # fmt: skip
    return run


def _train(settings: TrainSettings, interactions: Interactions, split: Split, run: RunHandle) -> Trained:
    """Train, and log each epoch."""
    with stage("training", "users over all epochs") as done:
        trained = train(
            interactions.matrix,
            split,
            settings=settings.model,
            seed=settings.seed,
            device=settings.device,
            on_epoch=partial(_log_epoch, run),
        )
        done.count = len(trained.reports) * len(split.train)
    return trained


def _log_epoch(run: RunHandle, report: EpochReport) -> None:
    metrics = {
        "train/loss": report.train_loss,
        "valid/ndcg_at_20": report.valid_ndcg_at_20,
        "valid/recall_at_20": report.valid_recall_at_20,
    }
    run.log_metrics(metrics, step=report.epoch)
    log.debug(
        "epoch %d: loss %.4f, validation nDCG@20 %.4f, %.2f s",
        report.epoch, report.train_loss, report.valid_ndcg_at_20, report.seconds,
    )  # fmt: skip


def _log(run: RunHandle, training: Training, overrides: list[str]) -> str:
    """Log what came of a training; return the id of its LoggedModel."""
    trained = training.trained
    run.log_metrics(
        {"test/ndcg_at_20": trained.test_ndcg_at_20, "test/recall_at_20": trained.test_recall_at_20}
    )
    run.describe(_describe(training, overrides))
    with stage("logging"):
        model_id = run.log_elsa_model(trained.encoder, training.interactions.dataset)
        with writing_folder() as folder:
            _write_artifacts(folder, training)
            lineage = parent_lineage(
                run_id=run.run_id,
                model_id=model_id,
                interactions=training.interactions,
                settings=training.settings,
                artifacts=folder_digests(folder),
                environment=environment_record(
                    training.code,
                    device=find_device(training.settings.device).type,
                    threads=torch.get_num_threads(),
                ),
            )
            run.log_recorded(folder, lineage)
    return model_id


def _contract_params(settings: TrainSettings, interactions: Interactions) -> dict[str, object]:
    return {
        "model": "ELSA",
        "dataset": interactions.dataset,
        "items": interactions.n_items,
        "factors": settings.model.factors,
        "users": interactions.n_users,
        "seed": settings.seed,
        "val_ratio": settings.val_ratio,
        "test_ratio": settings.test_ratio,
    }


def _describe(training: Training, overrides: list[str]) -> str:
    """Say in Markdown what a parent run is, and how to repeat it."""
    settings, interactions = training.settings, training.interactions
    command = ["mlflow", "run", ".", "-e", "train"]
    command += ["-P", f"data_dir={settings.data_dir}", "-P", f"seed={settings.seed}"]
    command += ["-P", f"dataset={interactions.dataset}"]
    if changed := _overrides_of_train(overrides):
        command += ["-P", f"overrides={' '.join(changed)}"]
    return (
        f"ELSA with {settings.model.factors} factors, trained on {interactions.n_pairs:,} pairs of"
        f" {interactions.n_users:,} users and {interactions.n_items:,} items of {interactions.dataset}: test"
        f" nDCG@20 {training.trained.test_ndcg_at_20:.3f}.  \n"
        "`lineage.json` says from which data, settings and code.  \n"
        f"Again: `{shlex.join(command)}`"
    )


def _overrides_of_train(overrides: list[str]) -> list[str]:
    """Return those that train takes, which main and its declared parameters may be given others beside."""
    names = {field.name for field in fields(TrainSettings)} - set(DECLARED)
    return [part for part in overrides if re.split(r"[.=@]", part.lstrip("+~"))[0] in names]


def _write_artifacts(folder: Path, training: Training) -> None:
    """Write the checkpoint, the ids in its order, the split and the configuration."""
    interactions, split = training.interactions, training.split
    save_checkpoint(folder / CHECKPOINT, training.trained.encoder)
    write_json(folder / "users.json", interactions.user_ids)
    write_json(folder / "items.json", interactions.item_ids)
    write_json(folder / "split.json", {part: rows.tolist() for part, rows in vars(split).items()})
    write_yaml(folder / CONFIG, plain(training.settings))
    if training.code.diff:
        (folder / CODE_DIFF).write_bytes(training.code.diff)
