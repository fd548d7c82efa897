import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from elsa_groups.base.errors import InputError
from elsa_groups.tracking.artifacts import RunArtifacts
from elsa_groups.tracking.parent_search import check_parent, find_newest, resolve_parent


def resolve(reference, interactions):
    return resolve_parent(reference, interactions, seed=3)


def refusal(reference, interactions) -> str:
    with pytest.raises(InputError) as error:
        resolve(reference, interactions)
    return str(error.value)


def test_a_run_id_gives_its_item_vectors(log_parent, interactions, encoder):
    run_id = log_parent()
    parent = resolve(run_id, interactions)
    assert parent.run_id == run_id
    assert parent.item_order == "items.json"
    assert parent.has_users
    np.testing.assert_array_equal(parent.encoder, encoder)


def test_newest_is_the_newest_run_on_these_data(log_parent, interactions, caplog):
    log_parent()
    newest = log_parent()
    log_parent(digest="0" * 64)
    log_parent({"conf.dataset.min_user_interactions": 6})
    log_parent({"model": "EASE"})
    log_parent(status="FAILED")
    log_parent(status="RUNNING")
    with caplog.at_level(logging.INFO):
        assert resolve("newest", interactions).run_id == newest
    assert "trained on other data" in caplog.text
    assert "conf.dataset.min_user_interactions is 6, wanted 5" in caplog.text


def test_newest_without_a_fitting_run_says_how_to_train_one(log_parent, interactions):
    log_parent(digest="0" * 64)
    assert "mlflow run . -e train -P dataset=Demo" in refusal("newest", interactions)


def test_data_of_too_few_users_are_not_sent_to_training(client, interactions):
    two = replace(interactions, matrix=interactions.matrix[:2], user_ids=interactions.user_ids[:2])
    message = refusal("newest", two)
    assert "training takes 3 users or more, and there are 2, or give parent=<run id>" in message
    assert "-e train" not in message


def test_newest_skips_runs_trained_with_other_settings_than_asked_for(log_parent, interactions):
    wide = log_parent({"conf.model.learning_rate": 0.02})
    log_parent({"conf.model.learning_rate": 0.5})
    assert find_newest(interactions, {"model.learning_rate": 0.02}).info.run_id == wide
    # No run says by which split it was trained: all were older than the setting.
    assert find_newest(interactions, {"model.learning_rate": 0.02, "split": "random"}).info.run_id == wide
    assert find_newest(interactions, {"split": "sagea"}) is None


def test_newest_looks_into_every_experiment(client, log_parent, interactions):
    run_id = log_parent()
    client.create_experiment("another")
    assert resolve("newest", interactions).run_id == run_id


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"model": "EASE"}, "has param model=EASE, expected ELSA"),
        ({"dataset": "LastFM1k"}, "has param dataset=LastFM1k, expected Demo"),
        ({"items": 17}, "has param items=17, expected 300; same file and filter"),
        ({"factors": "many"}, "has param factors=many, expected a whole number"),
        ({"factors": 8}, "8"),
    ],
)
def test_a_run_that_does_not_fit_is_refused_by_what_does_not_fit(log_parent, interactions, params, expected):
    run_id = log_parent(params)
    assert expected in refusal(run_id, interactions)


def test_a_run_without_checkpoint_is_refused(log_parent, interactions):
    assert "has no artifact checkpoint.ckpt" in refusal(log_parent(weights=None), interactions)


def test_an_unknown_run_is_refused(client, interactions):
    assert "no run '1234567e9012'" in refusal("1234567e9012", interactions)


def test_an_unknown_model_is_refused(client, interactions):
    for uri in ("models:/none/1", "models:/none@best", "models:/none", "models:/m-0"):
        assert f"no model '{uri}'" in refusal(uri, interactions)


def test_a_deleted_run_is_refused_with_the_way_back(client, log_parent, interactions):
    run_id = log_parent()
    client.delete_run(run_id)
    assert f"mlflow runs restore --run-id {run_id}" in refusal(run_id, interactions)


def test_a_running_run_is_refused(log_parent, interactions):
    assert "is RUNNING; wait" in refusal(log_parent(status="RUNNING"), interactions)


def test_items_in_another_order_than_the_data_are_refused(client, log_parent, interactions, tmp_path):
    run_id = log_parent(ids=False)
    (tmp_path / "items.json").write_text(json.dumps(interactions.item_ids[::-1]))
    client.log_artifact(run_id, str(tmp_path / "items.json"))
    assert "items.json of run" in refusal(run_id, interactions)


def test_a_registered_model_names_its_run(client, log_parent, interactions):
    run_id = log_parent()
    client.create_registered_model("elsa")
    client.create_model_version("elsa", f"runs:/{run_id}/checkpoint.ckpt", run_id)
    client.set_registered_model_alias("elsa", "best", 1)
    assert resolve("models:/elsa/1", interactions).run_id == run_id
    assert resolve("models:/elsa@best", interactions).run_id == run_id


def test_a_foreign_checkpoint_works_when_its_item_order_proves_right(
    client, log_parent, interactions, encoder, tmp_path
):
    run_id = log_parent(weights=None, ids=False)
    lengths = np.random.default_rng(0).uniform(0.5, 2.0, (len(encoder), 1)).astype(np.float32)
    path = tmp_path / "checkpoint.ckpt"
    torch.save({"_ELSA__W_list.0": torch.from_numpy(encoder * lengths)}, path)
    client.log_artifact(run_id, str(path))
    parent = resolve(run_id, interactions)
    assert parent.item_order == "loss"
    assert not parent.has_users
    np.testing.assert_allclose(parent.encoder, encoder, atol=1e-6)


def test_a_foreign_checkpoint_in_another_item_order_is_refused(log_parent, interactions, encoder):
    shuffled = np.random.default_rng(5).permutation(encoder)
    assert "order" in refusal(log_parent(weights=shuffled, ids=False), interactions)


def test_a_checkpoint_that_needs_pickle_is_refused_unread(client, log_parent, interactions, tmp_path):
    run_id = log_parent(weights=None)
    trap = tmp_path / "trap"
    path = tmp_path / "checkpoint.ckpt"
    torch.save({"model_state_dict": _Touch(trap)}, path)
    client.log_artifact(run_id, str(path))
    assert "checkpoint" in refusal(run_id, interactions)
    assert not trap.exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_named_parent_of_other_data_is_refused_although_its_ids_agree(log_parent, interactions):
    run_id = log_parent(digest="0" * 64)
    assert f"run {run_id} was trained on data with digest 000" in refusal(run_id, interactions)


def test_a_reference_to_no_run_is_refused_before_there_are_data(client, log_parent):
    with pytest.raises(InputError, match="no run 'abc'"):
        check_parent("abc")
    check_parent("newest")
    check_parent(log_parent())


OURS = {"elsa_groups.kind": "elsa"}


def test_newest_skips_runs_of_ours_that_are_not_complete_and_says_so(log_parent, interactions, caplog):
    complete = log_parent(tags=OURS, lineage=True)
    unfinished = {status: log_parent(tags=OURS, status=status) for status in ("RUNNING", "KILLED", "FAILED")}
    halfwritten = log_parent(tags=OURS)
    foreign = log_parent(status="FAILED")
    with caplog.at_level(logging.INFO):
        assert resolve("newest", interactions).run_id == complete
    for status, run_id in unfinished.items():
        assert f"skipping {run_id}: {'is' if status == 'RUNNING' else 'ended'} {status}" in caplog.text
    assert f"skipping {halfwritten}: has no artifact lineage.json" in caplog.text
    assert f"skipping {foreign}: it is FAILED" in caplog.text


def test_a_run_without_the_mark_of_ours_needs_no_lineage(log_parent, interactions):
    run_id = log_parent()
    assert resolve("newest", interactions).run_id == run_id
    failed = log_parent(status="FAILED")
    assert resolve(failed, interactions).run_id == failed


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("RUNNING", "is RUNNING; wait until it has finished"),
        ("KILLED", "ended KILLED, so that it may be half-written"),
        ("FAILED", "ended FAILED, so that it may be half-written"),
        ("FINISHED", "has no artifact lineage.json under"),
    ],
)
def test_a_named_run_of_ours_that_is_not_complete_is_refused_before_there_are_data(
    log_parent, status, expected
):
    run_id = log_parent(tags=OURS, status=status)
    with pytest.raises(InputError) as error:
        check_parent(run_id)
    assert f"parent: run {run_id} {expected}" in str(error.value)


@pytest.mark.parametrize("status", ["FINISHED", "RUNNING"])
def test_a_run_of_groups_given_as_parent_names_its_own_parent(log_parent, status):
    parent = log_parent(tags=OURS, lineage=True)
    tags = {"elsa_groups.kind": "groups", "elsa_groups.parent": parent}
    child = log_parent(tags=tags, lineage=True, status=status)
    with pytest.raises(InputError) as error:
        check_parent(child)
    assert str(error.value) == (
        f"parent: run {child} holds groups; its parent is {parent}: give parent={parent}"
    )


def test_a_run_of_another_kind_is_no_parent(log_parent):
    run_id = log_parent(tags={"elsa_groups.kind": "comparison"})
    with pytest.raises(InputError, match="is of kind comparison; give the id of an ELSA run"):
        check_parent(run_id)


def test_a_store_that_was_moved_still_has_its_parents(client, log_parent, interactions, encoder, tmp_path):
    home = client.create_experiment("home", str(tmp_path / "mlruns" / "home"))
    run_id = log_parent(tags=OURS, lineage=True, experiment=home)
    folder = tmp_path / "moved"
    folder.mkdir()
    for name in ("mlflow.db", "mlruns"):
        shutil.move(tmp_path / name, folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")

    parent = resolve("newest", interactions)

    assert (parent.run_id, parent.item_order, parent.has_users) == (run_id, "items.json", True)
    np.testing.assert_array_equal(parent.encoder, encoder)
    (folder / "mlruns").rename(folder / "lost")
    with pytest.raises(InputError, match=f"run {run_id} has no artifact lineage.json under .* was moved"):
        check_parent(run_id)


def test_newest_skips_a_run_whose_storage_cannot_be_read(log_parent, interactions, monkeypatch, caplog):
    readable = log_parent(tags=OURS, lineage=True)
    away = log_parent(tags=OURS, lineage=True)
    has = RunArtifacts.has

    def has_or_fail(self, path):
        if self.run_id == away:
            raise InputError(f"run {away}: cannot read s3://bucket: no answer")
        return has(self, path)

    monkeypatch.setattr(RunArtifacts, "has", has_or_fail)
    with caplog.at_level(logging.INFO):
        assert resolve("newest", interactions).run_id == readable
    assert f"skipping {away}: run {away}: cannot read s3://bucket" in caplog.text
