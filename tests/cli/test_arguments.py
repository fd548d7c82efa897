import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from elsa_groups.base.errors import InputError
from elsa_groups.cli.arguments import hydra_arguments, quote, split_overrides
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.cli.composing import Composed, compose_jobs, compose_settings
from elsa_groups.groups.family import Family, Linkage, Rule


def translated(arguments: list[str], command: str = "generate") -> list[str]:
    return hydra_arguments(arguments, COMMANDS[command].settings)


def composed(arguments: list[str], command: str = "generate") -> Composed:
    return compose_jobs(translated(arguments, command), COMMANDS[command])


def value_of(override: str) -> object:
    return OverridesParser.create().parse_override(override).value()


def refusal(arguments: list[str]) -> str:
    with pytest.raises(InputError) as error:
        composed(arguments)
    return str(error.value)


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="$\n\r\0"), max_size=30))
def test_quoted_text_is_read_back_by_hydra(text: str) -> None:
    assert value_of(f"parent={quote(text)}") == text


@pytest.mark.parametrize(
    "text",
    ["1234567e9012", "0012", "a,b", "a b", "", "[x]", "{y}", "it's", 'say "x"', "a\\", "\\'", "true", "x=1"],
)
def test_text_parameters_keep_their_value_whatever_they_look_like(text: str) -> None:
    (override,) = translated(["--dataset.path", text])
    assert value_of(override) == text


def test_values_that_are_not_text_keep_hydras_grammar() -> None:
    arguments = translated(
        ["--thresholds.similar.quantile", "0.95", "--families.similar.compositions", "[[3],[5]]"]
    )
    assert arguments == ["thresholds.similar.quantile=0.95", "++families.similar.compositions=[[3],[5]]"]


def test_a_familys_defaults_can_be_changed_though_its_file_leaves_them_out() -> None:
    (job,) = composed(["--families.similar.linkage", "all", "families.similar.n_groups=7"]).jobs
    similar = job.settings.families["similar"]
    assert (similar.linkage, similar.n_groups) == (Linkage.all, 7)


def test_a_mistyped_family_is_refused() -> None:
    assert "families.similr.compositions: no value; mistyped similr" in refusal(
        ["families.similr.linkage=all"]
    )


def test_a_mistyped_key_of_a_family_is_refused_with_the_nearest() -> None:
    assert "families.similar.withn: no such key" in refusal(["families.similar.withn=any"])


def test_null_reaches_an_optional_text_as_null() -> None:
    assert translated(["--dataset.path", "null"]) == ["dataset.path=null"]


def test_an_empty_declared_parameter_means_as_configured() -> None:
    arguments = ["--dataset", "Demo", "--n_groups", "", "--overrides", ""]
    assert translated(arguments) == ["dataset='Demo'"]


def test_flags_come_before_overrides() -> None:
    arguments = translated(["--seed", "1", "--overrides", "thresholds.similar.quantile=0.8,0.9 -m"])
    assert arguments == ["-m", "seed=1", "thresholds.similar.quantile=0.8,0.9"]


def test_hydras_own_flags_pass_and_do_not_count_as_overrides() -> None:
    arguments = translated(["--cfg", "job", "dataset=Demo"])
    assert arguments == ["--cfg", "job", "dataset=Demo"]
    assert composed(arguments).jobs[0].overrides == ["dataset=Demo"]


def test_overrides_are_split_outside_quotes_and_brackets() -> None:
    text = "+families.m={compositions: [[4, 1]], within: similar}  dataset.path='a b' x=\"c d\""
    assert split_overrides(text) == [
        "+families.m={compositions: [[4, 1]], within: similar}",
        "dataset.path='a b'",
        'x="c d"',
    ]


@pytest.mark.parametrize("name", ["dataset", "data_dir", "parent", "n_groups", "seed"])
def test_a_declared_parameter_inside_overrides_is_refused_with_the_flag_to_use(name: str) -> None:
    assert f"use -P {name}=7 instead" in refusal(["--overrides", f"{name}=7"])


def test_a_name_without_value_is_refused() -> None:
    assert "--seed: expected a value" in refusal(["--seed"])


def test_a_mistyped_key_is_refused_with_the_nearest() -> None:
    message = refusal(["--overrides", "thresholds.similar.quantil=0.95"])
    assert "thresholds.similar.quantil: no such key" in message
    assert "nearest is thresholds.similar.quantile" in message


def test_a_mistyped_key_of_a_sweep_is_refused() -> None:
    assert "nearest is sampling.max_draws" in refusal(["--overrides", "-m sampling.max_draw=10,20"])


def test_every_job_of_a_sweep_is_composed() -> None:
    given = ["--parent", "a", "--seed", "range(1,3)"]
    overrides = ["--overrides", "-m ~families.random thresholds.similar.quantile=0.8,0.9"]
    jobs = composed([*given, *overrides]).jobs
    assert [job.swept for job in jobs] == [
        (f"seed={seed}", f"thresholds.similar.quantile={q}") for seed in (1, 2) for q in ("0.8", "0.9")
    ]
    assert [job.settings.thresholds.similar.quantile for job in jobs] == [0.8, 0.9, 0.8, 0.9]
    assert {job.settings.parent for job in jobs} == {"a"}
    assert all("random" not in job.settings.families for job in jobs)


DECLARED_FIRST = ("--dataset", "Demo", "--parent", "newest", "--seed", "42")


@pytest.mark.parametrize(
    "arguments",
    [
        [*DECLARED_FIRST, "--overrides", "-m dataset=Demo,LastFM1k parent=1234567e9012,f00"],
        ["--dataset", "Demo, LastFM1k", "--parent", "1234567e9012,f00", "--overrides", "-m"],
        ["-m", "--dataset", "Demo,LastFM1k", "parent='1234567e9012',f00"],
    ],
)
def test_a_comma_sweeps_over_datasets_and_parents(arguments: list[str]) -> None:
    jobs = composed(arguments).jobs
    assert [(job.settings.dataset.name, job.settings.parent) for job in jobs] == [
        (dataset, parent) for dataset in ("Demo", "LastFM1k") for parent in ("1234567e9012", "f00")
    ]
    assert jobs[1].swept == ("dataset=Demo", "parent=f00")


def test_a_parent_with_a_comma_in_its_name_is_quoted_twice_in_a_sweep() -> None:
    jobs = composed(["--overrides", '-m parent="models:/a,b/1" seed=1,2', "--seed", "7"]).jobs
    assert {job.settings.parent for job in jobs} == {"models:/a,b/1"}


def test_several_datasets_without_a_sweep_are_told_how_to_be_one() -> None:
    message = refusal(["--overrides", "dataset=Demo,LastFM1k"])
    assert message.endswith("use -P dataset=Demo,LastFM1k instead; put -m before it to sweep over several")
    assert "to sweep" not in refusal(["--overrides", "dataset=Demo"])


def test_one_setting_is_no_sweep() -> None:
    one = composed(["seed=3"])
    assert not one.is_sweep
    assert [job.settings.seed for job in one.jobs] == [3]


@pytest.mark.parametrize("flags", [["--help"], ["-h"], ["--hydra-help"], ["--version"]])
def test_what_hydra_shows_has_no_jobs(flags: list[str]) -> None:
    assert not composed([*flags, "-m", "seed=1,2"]).is_sweep
    assert len(composed(["-m", "seed=1,2"]).jobs) == 2


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["-c", "job"], ["--info", "all"], ["-i", "all"]])
def test_a_configuration_is_shown_of_one_job_alone(flags: list[str]) -> None:
    assert not composed([*flags, "hydra.mode=MULTIRUN", "seed=1"]).is_sweep
    message = refusal([*flags, "-m", "seed=1,2"])
    assert message.startswith(f"{flags[0]}: expected one job to show, got a multirun; leave out -m")


def test_a_sweep_that_a_configuration_asks_for_is_one(tmp_path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "seeds.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '1,2'}}}\n"
    )
    jobs = composed(["--config-dir", str(tmp_path), "experiment=seeds"]).jobs
    assert [job.settings.seed for job in jobs] == [1, 2]


def test_a_wrong_value_is_refused_wherever_it_is_in_a_sweep() -> None:
    message = refusal(["--overrides", "-m sampling.max_draws=10,20,0 thresholds.similar.quantile=0.8,0.9"])
    assert "sampling.max_draws: expected at least 1, got 0" in message


def test_a_sweep_whose_values_are_not_listed_is_refused() -> None:
    assert "INTERVAL_SWEEP" in refusal(["-m", "thresholds.similar.quantile=interval(0.8,0.9)"])


def test_a_mistyped_choice_is_refused_with_the_nearest() -> None:
    message = refusal(["--dataset", "LastFm1k"])
    assert "dataset: no LastFm1k; the nearest is LastFM1k" in message
    assert "_schema" not in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("sampling.max_draws=many", "sampling.max_draws=many: Value 'many'"),
        ("thresholds.similar.value=high", "could not be converted to Float"),
        ("thresholds.method=exakt", "expected one of [auto, exact, sampled]"),
        ("families.similar.within=same", "families.similar.within: expected one of any, similar, divergent"),
        ("families.similar.compositions=[3]", "families.similar.compositions: expected a list"),
        ("+families.trio={compositions: [[3]], witin: similar}", "families.trio.witin: expected one of"),
        ("+families.trio={within: similar}", "families.trio.compositions: no value"),
        ("sampling.max_draws=0", "sampling.max_draws: expected at least 1, got 0"),
        ("threads=-1", "threads: expected at least 1, got -1"),
        ("overlap.threshold=nan", "overlap.threshold: expected at least 0 and at most 1, got nan"),
        (
            "filters.max_member_overlap.value=1.1",
            "filters.max_member_overlap.value: expected at least 0 and at most 1",
        ),
        ("filters.max_participation.value=0", "filters.max_participation.value: expected at least 1, got 0"),
        ("filters.min_history.value=1.5", "filters.min_history.value=1.5: Value '1.5'"),
        ("filters.min_common_items.scope=quarter", "expected one of [history, targets, half, sagea]"),
        ("filters.budget=0", "filters.budget: expected at least 1, got 0"),
        ("filters.no_duplicate.value=true", "the nearest is filters.no_duplicates.value"),
        ("filters=distnct", "filters: no distnct; the nearest is distinct"),
        ("~sampling", "~sampling: expected ~families.NAME"),
        ("sampling", "sampling: not an override that Hydra can read"),
    ],
)
def test_a_wrong_value_is_refused_by_name(override: str, expected: str) -> None:
    assert expected in refusal(["--overrides", override])


def test_a_seed_that_does_not_fit_is_refused() -> None:
    assert "seed: expected at least 0" in refusal([f"seed={2**63}"])
    assert "seed: expected at least 0" in refusal(["seed=-1"])


def test_a_name_and_its_value_may_be_one_argument() -> None:
    assert translated(["--dataset=Demo", "seed=3"]) == ["dataset='Demo'", "seed=3"]


def test_a_family_added_without_a_plus_is_told_so() -> None:
    assert "put a plus before it: +families.trio=" in refusal(["families.trio={compositions: [[3]]}"])


def test_a_family_can_be_left_out() -> None:
    (job,) = composed(["~families.random"]).jobs
    assert list(job.settings.families) == ["similar", "divergent", "opposing"]


def test_a_list_of_texts_keeps_hydras_grammar() -> None:
    arguments = translated(["--dataset", "LastFM1k", "--dataset.urls", "[a,b]"])
    assert arguments == ["dataset='LastFM1k'", "dataset.urls=[a,b]"]
    assert composed(arguments).jobs[0].settings.dataset.urls == ("a", "b")


def test_a_launched_choice_of_model_is_refused_with_the_way_to_make_it() -> None:
    with pytest.raises(InputError, match="use -P overrides=model=Demo"):
        translated(["--model", "Demo"], "train")


def test_choices_in_a_folder_of_the_users_own_are_found(tmp_path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nsampling: {max_draws: 7}\n")

    (job,) = composed(["--config-dir", str(tmp_path), "experiment=mine"]).jobs
    assert job.settings.sampling.max_draws == 7
    assert "experiment: no mine" in refusal(["experiment=mine"])


def test_two_families_with_one_key_are_refused() -> None:
    message = refusal(["+families.similar_3={compositions: [[5]]}", "families.similar.compositions=[[3,5]]"])
    assert "different keys, got similar_3_5 from two" in message


def test_a_value_that_the_user_must_give_is_asked_for() -> None:
    assert refusal(["--dataset", "Custom"]) == "dataset.path: no value; give dataset.path=..."


def test_a_new_family_gets_defaults() -> None:
    overrides = ["n_groups=9", "+families.trio={compositions: [[3]], within: similar}"]
    family = compose_settings("generate", overrides).families["trio"]
    assert family == Family("trio", ((3,),), Rule.similar, Rule.any, Linkage.mean, 9, None)


def filters_on(*overrides: str) -> tuple[str, ...]:
    return tuple(compose_settings("generate", [*overrides]).filters.on)


def test_no_filter_is_on_unless_asked_for() -> None:
    assert filters_on() == ()
    assert compose_settings("generate", []).allow_partial is False


@pytest.mark.parametrize(
    ("overrides", "on"),
    [
        (["filters=distinct"], ("no_duplicates",)),
        (["filters=kaya"], ("no_duplicates", "distinct_first")),
        (["filters=sagea"], ("min_common_items", "no_duplicates")),
        (["experiment=no_wrong_pairs"], ("no_duplicates",)),
        (["experiment=recommendations_differ"], ("max_recommendation_overlap", "no_duplicates")),
        (["experiment=no_wrong_pairs", "filters=none"], ()),
        (["experiment=no_wrong_pairs", "filters.no_duplicates.value=false"], ()),
        (["filters.max_member_overlap.value=0"], ("max_member_overlap",)),
        (["filters.min_history.value=3", "filters.min_history.value=null"], ()),
    ],
)
def test_filters_are_those_of_the_choice_and_the_command_line_wins(overrides: list[str], on: tuple) -> None:
    assert filters_on(*overrides) == on


def test_a_file_of_families_chooses_filters_that_the_command_line_replaces(tmp_path) -> None:
    (tmp_path / "families").mkdir()
    (tmp_path / "families" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /filters: distinct\n"
        "n_groups: 5\nfamilies: {trio: {compositions: [[3]]}}\n"
    )
    mine = ["families=mine", f"hydra.searchpath=[file://{tmp_path}]"]

    assert list(compose_settings("generate", mine).families) == ["trio"]
    assert filters_on(*mine) == ("no_duplicates",)
    assert filters_on(*mine, "filters=none") == ()
    sagea = compose_settings("generate", [*mine, "filters=sagea"])
    assert sagea.filters.min_common_items.scope == "half"
    # A reported setting is about all of the configuration, families among it.
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "claim.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /filters: kaya\n"
    )
    assert filters_on(*mine, "experiment=claim") == ("no_duplicates", "distinct_first")


def test_pair_similarities_that_no_pair_can_have_are_refused() -> None:
    limits = ["filters.min_pair_similarity.value=0.9", "filters.max_pair_similarity.value=0.8"]
    assert "filters.min_pair_similarity: expected at most 0.8" in refusal(limits)
