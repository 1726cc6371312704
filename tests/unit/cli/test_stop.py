"""`jobsched stop` signals the daemon that holds the folder, and nobody else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobsched.cli.errors import NoAnswer, NotThere
from jobsched.cli.local.stop import stop_command
from jobsched.cli.session import Session
from jobsched.daemon.folder_lock import FolderLock


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the process id of the daemon before."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        (tmp_path / "jobsched.lock").write_text(f"{process.pid}\n")
        yield process
        process.kill()


def stop(folder: Path) -> None:
    stop_command.main(["--state-dir", str(folder)], standalone_mode=False, obj=Session())


def test_nobody_is_signalled_before_the_holder_has_begun(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(NoAnswer, match="about to start, or puts a copy back; ask again"):
        stop(tmp_path)
    assert stranger.poll() is None
    os.close(lock._descriptor)


def test_nobody_is_signalled_when_nobody_holds_it(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    with pytest.raises(NotThere):
        stop(tmp_path)
    assert stranger.poll() is None


def test_a_daemon_is_gone_when_another_holds_the_folder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with subprocess.Popen(["sh", "-c", 'trap \': > "$0"; exit\' TERM; echo ready; while :; do sleep 0.01; done',
                           str(tmp_path / "jobsched.lock")], stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.pwrite(lock._descriptor, b"%d\n" % process.pid, 0)
        stop(tmp_path)  # it ended, and this process, which has not begun yet, holds the folder now
    os.close(lock._descriptor)
