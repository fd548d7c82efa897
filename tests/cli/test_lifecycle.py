"""From what a task raises to a last line on stderr and an exit code."""

import logging
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from sqlalchemy.exc import SQLAlchemyError

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import Different, InputError, InputsMissing, Killed
from elsa_groups.cli.lifecycle import handle_signals, quiet_libraries, refuse_if_meant_to_be_read

from ..launches import SIGNALS, kept_process


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("x: expected y"), 1, "error: x: expected y"),
        (Different("other groups"), 3, "error: other groups"),
        (InputsMissing("no file"), 4, "error: no file"),
        (
            MemoryError("Unable to allocate 74 GiB"),
            1,
            "error: not enough memory (Unable to allocate 74 GiB); ask for fewer groups or users, or use a"
            " larger machine",
        ),
    ],
)
def test_an_error_to_be_read_ends_with_its_code_and_its_message_last(capsys, error, code, line):
    with pytest.raises(SystemExit) as end:
        refuse_if_meant_to_be_read(error)
    assert end.value.code == code
    assert capsys.readouterr().err.splitlines() == [line]


@pytest.mark.parametrize("kind", [MlflowException, SQLAlchemyError])
def test_an_error_of_the_store_is_one_line_whenever_it_comes(capsys, monkeypatch, kind):
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "postgresql://me:secret@host/runs")
    with pytest.raises(SystemExit) as end:
        refuse_if_meant_to_be_read(kind("database is locked\n[SQL: SELECT 1]"))
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: tracking store postgresql://")
    assert "@host/runs: database is locked; try again, or set MLFLOW_TRACKING_URI to another" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("a fault of the program"),
        MlflowException("Invalid metric name", error_code=INVALID_PARAMETER_VALUE),
    ],
)
def test_any_other_error_is_left_to_be_raised(capsys, error):
    refuse_if_meant_to_be_read(error)
    assert capsys.readouterr().err == ""


@pytest.fixture
def _kept() -> Iterator[None]:
    """What is changed for good in a process, put back in the end."""
    with kept_process():
        yield


@pytest.mark.usefixtures("_kept")
@pytest.mark.parametrize("everything", [True, False])
def test_everything_means_everything_of_ours(monkeypatch, everything):
    for name in ("MLFLOW_LOGGING_LEVEL", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        monkeypatch.delenv(name, raising=False)
    # As Hydra leaves them.
    logging.getLogger().setLevel(logging.DEBUG if everything else logging.WARNING)
    logging.getLogger("elsa_groups").setLevel(logging.INFO)

    quiet_libraries(ONE, everything=everything)

    assert logging.getLogger("elsa_groups.groups.sampler").isEnabledFor(logging.DEBUG) == everything
    assert not logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.INFO)


@pytest.mark.usefixtures("_kept")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_command_once(number):
    for _ in range(2):
        # As in a process that another job follows in.
        handle_signals()
        with pytest.raises(Killed) as end:
            signal.raise_signal(number)
        assert end.value.code == 128 + number
        signal.raise_signal(number)


@pytest.mark.usefixtures("_kept")
def test_a_closed_terminal_ends_nothing_under_nohup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    handle_signals()
    signal.raise_signal(signal.SIGHUP)
    with pytest.raises(Killed):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("_kept")
def test_what_is_said_to_a_closed_terminal_does_not_change_the_end():
    child, terminal = pty.fork()
    if not child:
        code = 99
        try:
            handle_signals()
            os.write(1, b"ready")
            time.sleep(30)
        except Killed as end:
            with open(1, "w") as said:
                said.write("KILLED")
            code = int(end.code)
        finally:
            os._exit(code)
    assert os.read(terminal, 5) == b"ready"
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129


def test_a_command_goes_on_when_nobody_reads_what_it_says_any_more():
    code = (
        "import os, sys, time\n"
        "from elsa_groups.cli.lifecycle import forgive_closed_pipes\n"
        "forgive_closed_pipes()\n"
        "sys.stdin.readline()\n"
        "print('one'); print('two', flush=True); print('three', file=sys.stderr)\n"
        "os.write(int(sys.argv[1]), b'done')\n"
    )
    done, told = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, pass_fds=[told], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    process.stdout.close()
    process.stderr.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait(60) == 0
    assert os.read(done, 10) == b"done"
