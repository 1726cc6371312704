"""What /proc tells of the processes of a run."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jobsched.runner import procfs

LOOKS = 50


@pytest.fixture
def restless(tmp_path):
    """A process that bears the mark, has left our session, and does nothing but run itself anew."""
    script = tmp_path / "restless"
    script.write_text('#!/bin/sh\nexec "$0"\n')
    script.chmod(0o755)
    process = subprocess.Popen([script], env={procfs.MARK: "run-1", "PATH": os.defpath}, start_new_session=True)
    yield process
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_process_about_to_run_another_program_is_found(restless):
    found = [procfs.survey({"run-1": 0})["run-1"] for _ in range(LOOKS)]

    assert [[each.pid for each in look] for look in found] == [[restless.pid]] * LOOKS


def test_one_between_programs_at_each_look_is_not_clear(monkeypatch):
    """It was in the midst of one `execve`, had come through, and was in the midst of the next."""
    read = procfs._read
    monkeypatch.setattr(procfs, "_read", lambda path, **more: b"" if path.endswith("/environ") else read(path, **more))
    assert procfs.variable(os.getpid(), procfs.MARK) == procfs.BETWEEN


def test_one_without_an_environment_is_no_runs_and_seen_once(monkeypatch):
    monkeypatch.setattr(time, "sleep", pytest.fail)
    bare = subprocess.Popen(["/usr/bin/env", "-i", "/bin/sleep", "1000"], start_new_session=True)
    try:
        while not Path(f"/proc/{bare.pid}/cmdline").read_bytes().startswith(b"/bin/sleep"):
            pass
        assert procfs.variable(bare.pid, procfs.MARK) is None
    finally:
        bare.kill()
        bare.wait()


def test_a_pid_is_free_once_its_process_was_waited_for():
    process = subprocess.Popen(["/bin/true"], start_new_session=True)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    before = procfs.is_free(process.pid)
    process.wait()

    assert not before
    assert procfs.is_free(process.pid) is True


def test_a_pid_is_not_free_while_its_session_has_members():
    words = "sleep 1000 >/dev/null & echo $!"
    shell = subprocess.Popen(["/bin/bash", "-mc", words], stdout=subprocess.PIPE, start_new_session=True)
    assert shell.stdout is not None
    member = int(shell.stdout.readline())  # in a group of its own
    shell.communicate()
    try:
        assert (procfs.stat(shell.pid), procfs.is_free(shell.pid)) == (None, False)
    finally:
        os.kill(member, signal.SIGKILL)


def test_no_pid_is_free_where_the_kernel_does_not_say_so(monkeypatch):
    def nothing():
        raise OSError

    monkeypatch.setattr(procfs, "_nothing", nothing)

    assert procfs.is_free(4194305) is False
