"""What a step says when it is done."""

import logging
import re

import pytest

from elsa_groups.base.stages import stage


def test_a_step_says_what_it_took_in_one_line(caplog):
    with caplog.at_level(logging.INFO), stage("drawing", "groups") as work:
        work.count = 1200
    (line,) = caplog.messages
    assert re.fullmatch(r"drawing: 1,200 groups in \d+\.\d\d s, [\d,]+ a second", line)


def test_a_step_that_counts_nothing_says_its_seconds(caplog):
    with caplog.at_level(logging.INFO), stage("reading"):
        pass
    assert re.fullmatch(r"reading: \d+\.\d\d s", caplog.messages[0])


def test_a_step_that_fails_is_not_said_to_be_done(caplog):
    with caplog.at_level(logging.INFO), pytest.raises(ValueError, match="boom"), stage("reading"):
        raise ValueError("boom")
    assert caplog.messages == []
