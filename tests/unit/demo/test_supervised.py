from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from worker.demo.supervised import SupervisedProcess


def test_exit_code_and_output_are_those_of_the_command(tmp_path: Path) -> None:
    script = "import sys; print('said'); sys.exit(7)"
    process = SupervisedProcess([sys.executable, "-c", script], log=tmp_path / "log")
    assert process.wait(20)
    assert process.exit_code == 7
    assert process.log_tail() == "said"
    process.kill()


def test_signal_that_ends_it_shows_in_the_exit_code(tmp_path: Path) -> None:
    process = SupervisedProcess(["sleep", "600"], log=tmp_path / "log")
    process.signal(signal.SIGTERM)
    assert process.wait(20)
    assert process.exit_code == 128 + signal.SIGTERM
    process.kill()


def test_process_that_will_not_stop_is_killed_after_its_time(tmp_path: Path) -> None:
    script = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    )
    process = SupervisedProcess([sys.executable, "-c", script], log=tmp_path / "log")
    while process.log_tail() != "deaf":
        process.wait(0.05)
    process.stop(within_s=0.2)
    assert not process.is_running
    assert process.exit_code == 128 + signal.SIGKILL


def test_frozen_process_is_stopped_by_request(tmp_path: Path) -> None:
    process = SupervisedProcess(["sleep", "600"], log=tmp_path / "log")
    process.freeze()
    assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
    process.stop(within_s=20)
    assert not process.is_running


def test_process_has_its_own_session_so_that_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    process = SupervisedProcess(["sleep", "600"], log=tmp_path / "log")
    assert os.getsid(process.pid) != os.getsid(0)
    process.kill()


def test_program_that_does_not_exist_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-program"):
        SupervisedProcess(["no-such-program"], log=tmp_path / "log")
