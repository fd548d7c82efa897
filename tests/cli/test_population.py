"""Users and histories as settings ask for them."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from elsa_groups.cli import schema
from elsa_groups.cli.arguments import conf_dir
from elsa_groups.cli.drawing import draw_all
from elsa_groups.cli.population import check_population, choose_users, embed_population, read_user_file
from elsa_groups.data.demo import generate
from elsa_groups.data.split import hold_out, split_users
from elsa_groups.errors import InputError
from elsa_groups.model.embeddings import embed_users
from elsa_groups.similarity.ranks import ONE
from elsa_groups.similarity.scores import reference_similarities


def settings_of(*overrides):
    schema.register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return schema.complete(compose("generate", ["dataset=Demo", "seed=5", *overrides]))
