"""`jobsched stop`: ends the daemon of a state folder, by the process id in the folder's lock."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path

import click

from ... import files
from ...clock import elapsed
from ...executor.journal import FOLDER
from ...runner.keeper import LOCK
from ..errors import NoAnswer, NotAllowed, NotThere
from ..session import Session, pass_session
from .folders import state_dir

LOOK = 0.05  # seconds between looks whether it has ended


@click.command("stop")
@state_dir
@click.option("--runs", is_flag=True, help="End what runs too, also with ON_STOP = 'leave'.")
@click.option("--timeout", type=float, default=60, show_default=True, help="Seconds to wait for its end.")
@pass_session
def stop_command(session: Session, state_dir: Path, runs: bool, timeout: float) -> None:
    """Stop the daemon, and wait for its end. What becomes of runs is said by ON_STOP or --on-stop."""
    try:
        with files.reading(state_dir, LOCK) as lock:
            if not is_held(lock.fileno()):
                raise NotThere(f"{state_dir}: no daemon has this folder")
            pid = holder(lock.fileno())
            if pid is None:
                raise NoAnswer(
                    f"{state_dir}: whoever holds this folder is about to start, or puts a copy back; ask again"
                )
            os.kill(pid, signal.SIGUSR1 if runs else signal.SIGTERM)
            end = elapsed() + timeout
            while is_held(lock.fileno()) and holder(lock.fileno()) == pid:  # else another has begun since
                if elapsed() > end:
                    raise NoAnswer(f"the daemon, pid {pid}, was told to end, and is still there after {timeout:g} s")
                time.sleep(LOOK)
    except (FileNotFoundError, ProcessLookupError):
        raise NotThere(f"{state_dir}: no daemon has this folder") from None
    except PermissionError:
        raise NotAllowed(f"{state_dir}: its daemon is another user's") from None
    all_ended = runs and not any((state_dir / FOLDER).glob("*.sock"))  # an executor that is there may have runs
    session.out.show("stopped, and all that ran was ended" if all_ended else "stopped")


def holder(lock: int) -> int | None:
    """The process id in the lock; None: whoever holds it has not begun."""
    text = os.pread(lock, 32, 0).strip()
    return int(text) if text.isdigit() else None


def is_held(lock: int) -> bool:
    """Whether a process holds that lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False
