"""What a step says when it is done."""

import logging
import re
import time

import pytest

from elsa_groups.base import stages
from elsa_groups.base.stages import stage


def test_a_step_says_what_it_took_in_one_line(caplog):
    with caplog.at_level(logging.INFO), stage("drawing", "groups") as work:
        work.count = 1200
    (line,) = caplog.messages
    assert re.fullmatch(r"drawing: 1,200 groups in \d+\.\d\d s, [\d,]+ a second", line)


def test_a_step_that_counts_nothing_says_its_seconds(caplog):
    with caplog.at_level(logging.INFO), stage("reading"):
        time.sleep(0.02)
    assert re.fullmatch(r"reading: \d+\.\d\d s", caplog.messages[0])


def test_a_step_whose_work_was_done_before_says_nothing(caplog, monkeypatch):
    monkeypatch.setattr(stages, "_QUICK", 60.0)
    with caplog.at_level(logging.INFO), stage("reading"):
        pass
    assert caplog.messages == []


def test_a_step_that_fails_is_not_said_to_be_done(caplog):
    with caplog.at_level(logging.INFO), pytest.raises(ValueError, match="boom"), stage("reading"):
        raise ValueError("boom")
    assert caplog.messages == []


def test_a_step_that_takes_long_is_said_to_be_under_way_before_it_is_done(caplog, monkeypatch):
    monkeypatch.setattr(stages, "SILENCE", 0.0)
    with caplog.at_level(logging.INFO), stage("reading"):
        while not caplog.messages:
            time.sleep(0.001)
        time.sleep(0.02)
    assert caplog.messages[0] == "reading: under way"
    assert caplog.messages[1].endswith(" s")
