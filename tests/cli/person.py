"""Somebody who types commands: in a terminal of some width, or in a script, where a pipe takes the output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs

from tests.system.daemon import GENEROUS, ROOT, Daemon

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
CTRL_C = b"\x03"


@attrs.frozen
class Said:
    """What a command came to; in a terminal `out` is all that it showed."""

    status: int
    out: str
    err: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines, without colours."""
        return COLOURS.sub("", self.out).splitlines()

    @property
    def plain(self) -> str:
        """All of it, without colours."""
        return COLOURS.sub("", self.out)

    @property
    def done(self) -> str:
        """The output of a command that must do well."""
        assert self.status == 0, self
        return self.out


def read(master: int, seconds: float) -> bytes | None:
    """What a terminal shows next; nothing, if it shows nothing for so long. None: the last program that had it is
    gone."""
    if not select.select([master], [], [], seconds)[0]:
        return b""
    try:
        return os.read(master, 65536)
    except OSError:
        return None


class Person:
    """Types commands in a folder, with an environment of their own."""

    def __init__(self, folder: Path, daemon: Daemon | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "xterm",
            "XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder), "TMPDIR": str(folder),
        }  # fmt: skip
        if daemon is not None:
            self.environment["JOBSCHED_URL"] = f"http://127.0.0.1:{daemon.port}"

    def pipe(self, *words: str, env: Mapping[str, str] | None = None, text: str = "") -> Said:
        """In a script."""
        done = subprocess.run(
            [sys.executable, "-m", "jobsched", *words], cwd=self.folder, env=self.environment | dict(env or {}),
            input=text, capture_output=True, text=True, timeout=GENEROUS * 2, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def does(self, *words: str, **more: object) -> str:
        """What a command shows in a script, if it does well."""
        return self.pipe(*words, **more).done  # type: ignore[arg-type]  # those of `pipe`

    def terminal(
        self,
        *words: str,
        columns: int = 100,
        env: Mapping[str, str] | None = None,
        types: Callable[[str], bytes | None] = lambda shown: None,
    ) -> Said:
        """In a terminal. `types` is asked, with all that is shown so far, what is typed next."""
        with self.typing(*words, columns=columns, env=env) as (process, master):
            shown, end = b"", time.monotonic() + GENEROUS * 2
            while True:
                assert time.monotonic() < end, shown
                part = read(master, GENEROUS)
                assert part != b"", f"nothing more comes after {shown!r}"
                if part is None:
                    break
                shown += part
                if (keys := types(shown.decode("utf-8", "replace"))) is not None:
                    os.write(master, keys)
            text = shown.decode().replace("\r\n", "\n")
            return Said(process.wait(GENEROUS), text)

    @contextlib.contextmanager
    def typing(
        self, *words: str, columns: int = 100, env: Mapping[str, str] | None = None
    ) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        """A command that runs in a terminal of its own, and the other end of that terminal. It hears Ctrl-C, also where
        these tests run in the background of a script, which has all its programs ignore that."""
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            ["env", "--default-signal=INT", "setsid", "-c", "-w", sys.executable, "-m", "jobsched", *words],
            cwd=self.folder, env=self.environment | dict(env or {}), stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        os.close(slave)
        try:
            yield process, master
        finally:
            os.close(master)
            if process.poll() is None:
                process.kill()
                process.wait()
