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


def test_one_without_an_environment_is_no_runs_and_seen_once(monkeypatch):
    monkeypatch.setattr(time, "sleep", pytest.fail)
    bare = subprocess.Popen(["/usr/bin/env", "-i", "/bin/sleep", "1000"], start_new_session=True)
    try:
        while not Path(f"/proc/{bare.pid}/cmdline").read_bytes().startswith(b"/bin/sleep"):
            pass
        assert procfs._mark(bare.pid) is None
    finally:
        bare.kill()
        bare.wait()


@pytest.fixture
def led():
    """Starts a shell that leads a session; it prints a line when it has done what it is told, and waits."""
    started = []

    def start(words):
        command = ["/bin/bash", "-mc", f"{words}\necho; read"]
        shell = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        started.append(shell)
        assert shell.stdout is not None
        shell.stdout.readline()
        return shell

    yield start
    for shell in started:
        shell.communicate()


def told(led, words):
    """What the latest pids tell of a shell; once more where others started too many processes meanwhile."""
    if not Path("/proc/sys/kernel/ns_last_pid").exists():
        pytest.skip("this kernel does not tell which pid it gave out last")
    for _ in range(20):
        shell = led(words)
        subprocess.run(["/bin/true"], check=True)
        if (answer := procfs.was_followed(shell.pid)) is not None:
            return answer
    return None


def test_a_member_of_a_session_is_found_among_the_latest_pids(led):
    assert told(led, "sleep 1000 >/dev/null & trap 'kill $!' EXIT") is True


def test_a_session_without_others_is_told_by_the_latest_pids(led):
    assert told(led, "(:)") is False


@pytest.mark.parametrize("last", ["7", str(8 + procfs.FEW), "many", None])
def test_the_latest_pids_do_not_always_tell(monkeypatch, last):
    def read(path):
        if last is None:
            raise FileNotFoundError(path)
        return last.encode()

    monkeypatch.setattr(procfs, "_read", read)
    assert procfs.was_followed(8 if last == "7" else 7) is None
