"""Train ELSA on a dataset: the parent run of groups."""

import logging
import re
import shlex
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

from elsa_groups.base.stages import stage
from elsa_groups.settings import schema
from elsa_groups.settings.schema import DECLARED

if TYPE_CHECKING:
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.data.split import Split
    from elsa_groups.model.training import EpochReport, Trained
    from elsa_groups.record.code import Code
    from elsa_groups.tracking.run import RunHandle

log = logging.getLogger("elsa_groups.cli")


def run(settings: dict[str, Any], overrides: list[str]) -> None:
    """Train a parent run."""
    from elsa_groups.commands.inputs import load_interactions
    from elsa_groups.tracking.run import check_store

    check_store()
    run = train_parent(settings, load_interactions(settings), overrides)
    print(f"to see it: {run.how_to_see()}")
    print(f"parent run: {run.run_id}", flush=True)


def train_parent(
    settings: dict[str, Any], interactions: "Interactions", overrides: list[str], *, adopt: bool = True
) -> "RunHandle":
    """Train and log a parent run; return it.

    Parameters
    ----------
    settings : dict
        Completed settings of entry point train or main.
    interactions : Interactions
        The data.
    overrides : list of str
        What the user changed of the configuration.
    adopt : bool
        Whether the run that `mlflow run` launched is to be the parent; main keeps it for the groups.
    """
    from elsa_groups.data.split import split_users
    from elsa_groups.model.training import TrainingSettings, find_device, train
    from elsa_groups.record.code import find_code
    from elsa_groups.tracking.run import DATASET, KIND, dataset_input, tracked_run

    settings = schema.part_for(settings, "train")
    ratios = {name: settings[name] for name in ("val_ratio", "test_ratio")}
    split = split_users(interactions.n_users, **ratios, seed=settings["seed"])
    training = TrainingSettings(**settings["model"])
    device = find_device(settings["device"])
    code = find_code()
    with tracked_run(f"ELSA {interactions.dataset} d={training.factors}", adopt=adopt) as run:
        log.info("training ELSA on %d users: parent run %s", len(split.train), run.run_id)
        run.set_tags({KIND: "elsa", DATASET: interactions.dataset})
        run.log_params(_contract_params(settings, interactions) | schema.as_params(settings))
        run.log_inputs(
            dataset_input(interactions.dataset, interactions.digest, interactions.source.uri, "training")
        )
        with stage("training", "users over all epochs") as done:
            trained = train(
                interactions.matrix,
                split,
                settings=training,
                seed=settings["seed"],
                device=settings["device"],
                on_epoch=partial(_log_epoch, run),
            )
            done.count = len(trained.reports) * len(split.train)
        scores = {"test/ndcg_at_20": trained.test_ndcg_at_20, "test/recall_at_20": trained.test_recall_at_20}
        run.log_metrics(scores)
        run.describe(_describe(settings, interactions, overrides, scores["test/ndcg_at_20"]))
        with stage("logging"):
            model_id = run.log_elsa_model(trained.encoder)
            _log_artifacts(run, settings, interactions, split, trained, model_id, code, device.type)
    # Not before the run is over: a version is there to be used.
    if settings["register_as"]:
        run.register_model(model_id, settings["register_as"], settings["register_alias"])
    log.info(
        "parent run %s: test nDCG@20 %.3f, recall@20 %.3f",
        run.run_id,
        *(scores[name] for name in sorted(scores)),
    )
    return run


def _log_epoch(run: "RunHandle", report: "EpochReport") -> None:
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


def _contract_params(settings: dict[str, Any], interactions: "Interactions") -> dict[str, Any]:
    return {
        "model": "ELSA",
        "dataset": interactions.dataset,
        "items": interactions.n_items,
        "factors": settings["model"]["factors"],
        "users": interactions.n_users,
        "seed": settings["seed"],
        "val_ratio": settings["val_ratio"],
        "test_ratio": settings["test_ratio"],
    }


def _describe(
    settings: dict[str, Any], interactions: "Interactions", overrides: list[str], ndcg: float
) -> str:
    """Say in Markdown what a parent run is, and how to repeat it."""
    command = ["mlflow", "run", ".", "-e", "train"]
    for name in ("data_dir", "seed"):
        command += ["-P", f"{name}={settings[name]}"]
    command += ["-P", f"dataset={interactions.dataset}"]
    if changed := _overrides_of_train(overrides):
        command += ["-P", f"overrides={' '.join(changed)}"]
    return (
        f"ELSA with {settings['model']['factors']} factors, trained on {interactions.n_pairs:,} pairs of"
        f" {interactions.n_users:,} users and {interactions.n_items:,} items of {interactions.dataset}: test"
        f" nDCG@20 {ndcg:.3f}.  \n"
        "`lineage.json` says from which data, settings and code.  \n"
        f"Again: `{shlex.join(command)}`"
    )


def _overrides_of_train(overrides: list[str]) -> list[str]:
    """Return those that train takes, which main and its declared parameters may be given others beside."""
    names = {field.name for field in fields(schema.TrainConf)} - set(DECLARED)
    return [part for part in overrides if re.split(r"[.=@]", part.lstrip("+~"))[0] in names]


def _log_artifacts(
    run: "RunHandle",
    settings: dict[str, Any],
    interactions: "Interactions",
    split: "Split",
    trained: "Trained",
    model_id: str,
    code: "Code",
    device: str,
) -> None:
    """Log the checkpoint, the ids in its order, the split and the configuration, and last the lineage."""
    import torch

    from elsa_groups.base.digests import folder_digests
    from elsa_groups.base.files import write_json, write_yaml
    from elsa_groups.commands.generate.files import CODE_DIFF, CONFIG
    from elsa_groups.model.elsa import save_checkpoint
    from elsa_groups.record.schema import LINEAGE, parent_lineage
    from elsa_groups.tracking.parent import CHECKPOINT
    from elsa_groups.tracking.run import writing_folder

    with writing_folder() as folder:
        save_checkpoint(folder / CHECKPOINT, trained.encoder)
        write_json(folder / "users.json", interactions.user_ids)
        write_json(folder / "items.json", interactions.item_ids)
        parts = {part: getattr(split, part).tolist() for part in ("train", "val", "test")}
        write_json(folder / "split.json", parts)
        write_yaml(folder / CONFIG, settings)
        if code.diff:
            (folder / CODE_DIFF).write_bytes(code.diff)
        lineage = parent_lineage(
            run_id=run.run_id,
            model_id=model_id,
            interactions=interactions,
            settings=settings,
            artifacts=folder_digests(folder),
            code=code,
            device=device,
            threads=torch.get_num_threads(),
        )
        run.log_files(folder)
        write_json(folder / LINEAGE, lineage, indent=2)
        run.log_file(folder / LINEAGE)
