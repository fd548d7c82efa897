"""The same settings give the same groups and thresholds, byte for byte, in every version, on every machine.

Nothing here was computed elsewhere: the file of digests says what the groups were when it was written. Who
changes it changes the groups of everybody who repeats a run, and says so in the changelog.
"""

import hashlib
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from elsa_groups.base.distributed import ONE
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.population import choose_users
from elsa_groups.data.load import load
from elsa_groups.data.split import split_users
from elsa_groups.settings.conf import conf_dir

DIGESTS = json.loads(Path(__file__).with_name("same_groups.json").read_text())
SMALL = (
    *("dataset=Demo", "n_groups=20", "allow_partial=true", "sampling.max_restarts=500"),
    *("evidence.halves=null", "baseline.n_groups=1"),
)


def names(folder):
    return sorted(path.stem for path in (conf_dir() / folder).glob("*.yaml"))


CASES = [
    *(f"families={name}" for name in names("families")),
    *(f"filters={name}" for name in names("filters")),
    *(f"experiment={name}" for name in names("experiment")),
    *(f"similarity.source={name}" for name in ("history_cosine", "pearson", "jaccard")),
    *("similarity.center=mean", "thresholds.method=sampled", "history=inputs", "user_sample=300", "seed=43"),
]


@pytest.fixture(scope="module")
def interactions():
    return load(
        "Demo", Path("unused"), min_user_interactions=5, min_item_interactions=5, n_users=400, n_items=240
    )


@pytest.fixture(scope="module")
def encoder(interactions):
    # Rows without a random generator, whose stream a later version of numpy might change.
    rows = [
        (i * 7919 + j * 104729 + i * j * 31) % 2003 - 1001
        for i, j in product(range(interactions.n_items), range(32))
    ]
    return np.array(rows, np.float32).reshape(-1, 32)


def digest_of(drawn) -> str:
    digest = hashlib.sha256()
    limits = drawn.thresholds.limits
    digest.update(" ".join(float(value).hex() for value in (limits.similar, limits.divergent)).encode())
    for result in drawn.results:
        digest.update(result.groups.key.encode())
        digest.update(drawn.embeddings.rows[result.groups.members].astype("<i8").tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("case", CASES)
def test_groups_and_thresholds_are_those_of_before(case, interactions, encoder):
    settings = compose_settings("generate", [*SMALL, case])
    split = split_users(interactions.n_users, val_ratio=0.1, test_ratio=0.4, seed=1)

    drawn = draw_all(settings, interactions, encoder, choose_users(settings, interactions, split, None), ONE)

    assert digest_of(drawn) == DIGESTS[case]


def test_every_digest_is_of_a_case():
    assert sorted(DIGESTS) == sorted(CASES)
