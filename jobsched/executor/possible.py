"""How many executors a daemon has, and whether there can be any: some folders hold no sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ..model.errors import BadConfig
from .journal import FOLDER
from .link import CREDENTIALS

MOST = 4  # executors that nobody asked for
TRIAL = "trial.sock"


def how_many(asked: int | None, state: Path) -> tuple[int, str]:
    """How many executors a daemon with this state folder has, and why there can be none. `asked` None: one for each
    core, at most four. Raises BadConfig: some were asked for, and there can be none."""
    why = "" if asked == 0 else hindrance(state / FOLDER)
    if asked is not None:
        if why:
            raise BadConfig(f"EXECUTORS is {asked}, but there can be none: {why}; EXECUTORS = 0 is without")
        return asked, ""
    return (0 if why else min(len(os.sched_getaffinity(0)), MOST)), why


def hindrance(folder: Path) -> str:
    """Why no executor can be spoken to in this folder, in words; "": it can. Tried with a socket of this process."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as why:
        return f"{folder}: {why.strerror}"
    path = f"/proc/self/fd/{at}/{TRIAL}"  # as executors do it: the path of a socket has 107 bytes
    try:
        (folder / TRIAL).unlink(missing_ok=True)  # of one that was killed
        return "" if _peer(path) == os.getpid() else "this kernel does not tell which process speaks on a socket"
    except OSError as why:
        return f"a socket in {folder} cannot be used: {why.strerror}"
    finally:
        (folder / TRIAL).unlink(missing_ok=True)
        os.close(at)


def _peer(path: str) -> int:
    """The process that speaks on a socket, which is this one."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as asking:
        listening.bind(path)
        listening.listen(1)
        asking.connect(path)
        heard, _ = listening.accept()
        with heard:
            told = heard.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(told)[0])
