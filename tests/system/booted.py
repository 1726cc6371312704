"""A systemd of our own, as process 1 of a container that is made for one test and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.servers import NEED
from tests.system.daemon import GENEROUS, ROOT, until

SYSTEMD = Path("/lib/systemd/systemd")
PROGRAMS = ("unshare", "nsenter", "setpriv", "curl")
SOURCE, PYTHON = "/opt/source", "/opt/python"  # there the checkout and its Python are: units may not see /tmp or /home
NAMESPACES = ("--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net")


class Booted:
    """The machine inside."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "boot.log"
        self._place = folder / "place"
        self._place.mkdir(parents=True)
        self._cgroup = _cgroups() / f"jobsched-test-{os.getpid()}"
        self._cgroup.mkdir()
        try:
            self._boot()
        except BaseException:
            self.close()
            raise

    def _boot(self) -> None:
        readable = [f"{ROOT}={SOURCE}", f"{sys.prefix}={PYTHON}", f"{sys.base_prefix}={sys.base_prefix}"]
        join = f'echo $$ >{self._cgroup}/cgroup.procs; exec "$@"'
        new = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child=KILL", *NAMESPACES]
        inside = ["bash", str(ROOT / "tests/system/boot.sh"), str(self._place), *readable]
        with self._log.open("wb") as log:
            self._outer = subprocess.Popen(
                ["sh", "-ec", join, "sh", *new, *inside], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(lambda: self._outer.poll() is not None or "begins\n" in self.said)
        if self._outer.poll() is not None:
            raise OSError(f"no container can be made here: {' '.join(self.said.split())[-300:]}")
        [first] = psutil.Process(self._outer.pid).children()
        self._enter = ("nsenter", "-t", str(first.pid), "--all", "--wd=/")
        try:
            until(lambda: self.run("systemctl", "is-active", "alone.target").stdout.strip() == "active")
        except AssertionError:  # nothing of ours is in it yet
            raise OSError(f"systemd does not come up here: {' '.join(self.said.split())[-300:]}") from None

    @property
    def said(self) -> str:
        """What came on the console."""
        return self._log.read_text("utf-8", "replace")

    def run(self, *words: str, said: str | None = None) -> subprocess.CompletedProcess[str]:
        """A program inside, as root."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*self._enter, *words], input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment, text=True, timeout=2 * GENEROUS, check=False,
        )  # fmt: skip

    def lives(self) -> list[list[str]]:
        """The command line of each process inside that is not dead."""
        found = []
        for process in psutil.Process(self._outer.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.cmdline())
        return found

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        """A file inside."""
        done = self.run("install", "-D", "-m", mode, "/dev/stdin", path, said=text)
        assert done.returncode == 0, done.stdout

    def close(self) -> None:
        """End it, with all that it started."""
        if hasattr(self, "_outer"):
            self._outer.kill()  # and with it process 1, and with that all others
            self._outer.wait()
        for folder in sorted(self._cgroup.glob("**/"), reverse=True):
            until(partial(_removed, folder))


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _cgroups() -> Path:
    """Where control groups of the second version are. Raises OSError."""
    for line in Path("/proc/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return Path(line.split()[1])
    raise OSError("control groups of the second version are not mounted")


@contextlib.contextmanager
def booted(folder: Path) -> Iterator[Booted]:
    """The machine, for as long as the context; where none can be made, the test is skipped and says why."""
    try:
        missing = [name for name in (*PROGRAMS, str(SYSTEMD)) if shutil.which(name) is None]
        if os.geteuid() != 0 or missing:
            raise OSError("only root can do that" if not missing else f"{', '.join(missing)} not found")
        machine = Booted(folder)
    except OSError as why:
        if "systemd" in os.environ.get(NEED, "").split(","):
            pytest.fail(f"systemd: {why}; {NEED} asks for it", pytrace=False)
        pytest.skip(f"systemd: {why}")
    try:
        yield machine
    finally:
        machine.close()
