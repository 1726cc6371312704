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
from ...daemon.folder_lock import LOCK
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
    """Stop the daemon, and wait for its end. What becomes of runs is said by ON_STOP in jobsched.cfg."""
    try:
        with files.reading(state_dir, LOCK) as lock:
            if not is_held(lock.fileno()):
                raise NotThere(f"{state_dir}: no daemon has this folder")
            pid = int(lock.read(32).decode("ascii").strip())
            os.kill(pid, signal.SIGUSR1 if runs else signal.SIGTERM)
            end = elapsed() + timeout
            while is_held(lock.fileno()):
                if elapsed() > end:
                    raise NoAnswer(f"the daemon, pid {pid}, was told to end, and is still there after {timeout:g} s")
                time.sleep(LOOK)
    except (FileNotFoundError, ProcessLookupError):
        raise NotThere(f"{state_dir}: no daemon has this folder") from None
    except PermissionError:
        raise NotAllowed(f"{state_dir}: its daemon is another user's") from None
    session.out.show("stopped, and all that ran was ended" if runs else "stopped")


def is_held(lock: int) -> bool:
    """Whether a process holds that lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False
