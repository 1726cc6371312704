"""The state folder has one daemon: a second one is refused in words, until the first is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobsched.daemon.folder_lock import FolderLock, locks
from jobsched.model.errors import BadStore

HOLD = """
import sys, time
from pathlib import Path
from jobsched.daemon.folder_lock import FolderLock, locks
lock = FolderLock(Path(sys.argv[1]))
lock.sign()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_daemon_is_refused_with_the_pid_of_the_first(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(BadStore) as refusal:
        FolderLock(tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path} is in use by another jobsched (pid {holder.pid}); "
        "stop that one, or give this one its own --state-dir"
    )


def test_the_lock_is_free_when_its_holder_was_killed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock = FolderLock(tmp_path)
    lock.sign()
    with pytest.raises(BadStore, match=rf"\(pid {os.getpid()}\)"):
        FolderLock(tmp_path)


def test_a_holder_that_has_not_signed_yet_is_refused_too(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(BadStore, match=r"\(pid unknown\)"):
        FolderLock(tmp_path)
    lock.sign()


def test_a_longer_pid_of_before_is_overwritten_whole(tmp_path: Path) -> None:
    (tmp_path / "jobsched.lock").write_text("99999999999999999999\n")
    FolderLock(tmp_path).sign()
    assert (tmp_path / "jobsched.lock").read_text() == f"{os.getpid()}\n"


def test_a_script_of_the_daemon_does_not_hold_the_lock(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    script = subprocess.Popen(["sleep", "600"], close_fds=False)
    try:
        del lock
        for descriptor in os.listdir("/proc/self/fd"):
            if os.path.exists(f"/proc/self/fd/{descriptor}"):
                target = os.readlink(f"/proc/self/fd/{descriptor}")
                if target == str(tmp_path / "jobsched.lock"):
                    os.close(int(descriptor))
        FolderLock(tmp_path)
    finally:
        script.kill()
        script.wait()


def test_the_lock_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    FolderLock(tmp_path)
    assert (tmp_path / "jobsched.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["link", "name", "fifo", "folder"])
def test_what_lies_in_the_place_of_the_lock_is_not_written_to(tmp_path: Path, kind: str) -> None:
    other, lock = tmp_path / "other", tmp_path / "state" / "jobsched.lock"
    other.write_text("as it was")
    lock.parent.mkdir(mode=0o700)
    lock.parent.chmod(0o777)  # whoever may write here put it there
    {"link": lambda: lock.symlink_to(other), "name": lambda: os.link(other, lock), "fifo": lambda: os.mkfifo(lock),
     "folder": lock.mkdir}[kind]()  # fmt: skip
    with pytest.raises(OSError) as refused:  # noqa: PT011  # the start tells it in words
        FolderLock(lock.parent)
    assert refused.value.filename == str(lock)
    assert other.read_text() == "as it was"


def test_a_store_in_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(BadStore, match=rf"^store: {gone}/jobs.sqlite: there is no folder {gone}$"):
        locks(tmp_path, f"sqlite:///{gone}/jobs.sqlite")
