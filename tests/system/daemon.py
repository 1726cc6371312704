"""A real daemon in a folder of its own, spoken to from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import psutil
import treq

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
GENEROUS = 30.0  # seconds until a condition that should come at once counts as never coming
LOOK = 0.02

T = TypeVar("T")

EXECUTOR = "jobsched.executor"
STARTERS = (EXECUTOR, "jobsched.runner.fork_server")
TWISTD = ("twistd", "-n", "--pidfile=", "jobsched")


def until(condition: Callable[[], T | Literal[False] | None], seconds: float = GENEROUS) -> T:
    """What `condition` gives as soon as it is true; the test fails if it does not become so."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"did not come true in {seconds} s"
        time.sleep(LOOK)
    return found


async def eventually(condition: Callable[[], Any], seconds: float = GENEROUS) -> Any:
    """The same for a coroutine function; the reactor goes on meanwhile."""
    from twisted.internet import reactor
    from twisted.internet.task import deferLater

    end = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < end, f"did not come true in {seconds} s"
        await deferLater(reactor, LOOK)
    return found


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, be its exit status taken already or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_executor(process: psutil.Process) -> bool:
    """Whether a process is one that executes runs for a daemon."""
    return is_one_of(process, EXECUTOR)


def is_one_of(process: psutil.Process, *modules: str) -> bool:
    """Whether a process is a Python that was started with one of these modules."""
    with contextlib.suppress(psutil.Error):  # it has just gone
        return not set(modules).isdisjoint(process.cmdline())
    return False


class Daemon:
    """One that runs with conf, tasks and state below `folder`: the shipped ones, and what a test adds to them."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        self._log = folder / "log"
        for name in ("conf", "tasks"):
            (folder / name).mkdir(parents=True)
            for file in (ROOT / name).iterdir():
                if file.is_file():
                    (folder / name / file.name).write_bytes(file.read_bytes())
                    (folder / name / file.name).chmod(file.stat().st_mode)
        self.options(f"JOBSCHED_PORT = {self.port}\nKILL_GRACE = 1\n")

    def options(self, text: str) -> None:
        """Add to jobsched.cfg."""
        with (self.folder / "conf" / "jobsched.cfg").open("a") as file:
            file.write(text + "\n")

    def script(self, name: str, text: str) -> None:
        """Add a task that runs this script."""
        path = self.folder / "tasks" / f"{name}.sh"
        path.write_text(text)
        path.chmod(0o755)
        self.section(f"[{name}]\nfile = runscript.py\nclass = RunScript\nscript = {path.name}\n")

    def section(self, text: str) -> None:
        """Add to catalog.cfg."""
        with (self.folder / "conf" / "catalog.cfg").open("a") as file:
            file.write("\n" + text)

    def launch(self, *arguments: str, command: tuple[str, ...] = TWISTD) -> None:
        """Start the process; it may still be on its way when this returns."""
        ours = Path(sys.executable).with_name(command[0])
        program = ours if ours.exists() else command[0]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [program, *command[1:], *arguments],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"} | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self, *arguments: str, **launch: Any) -> Daemon:
        """Start and wait until it answers."""
        self.launch(*arguments, **launch)
        until(self.answers)
        return self

    def answers(self) -> bool:
        """Whether it serves; the test fails if it never will."""
        assert self.process is not None
        assert self.process.poll() in {None, 0}, f"the daemon ended with {self.process.returncode}:\n{self.log}"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=GENEROUS) as client,
        ):
            client.sendall(b"GET /catalog HTTP/1.0\r\n\r\n")
            return client.recv(100).startswith((b"HTTP/1.0 200 OK", b"HTTP/1.0 401 "))
        return False

    def run(self, *arguments: str, **launch: Any) -> tuple[int, str]:
        """Start one that is expected to end by itself: its exit status, and what it said."""
        said = len(self.log)
        self.launch(*arguments, **launch)
        return self.wait(), self.log[said:]

    def wait(self) -> int:
        """Its exit status."""
        assert self.process is not None
        return self.process.wait(GENEROUS)

    def signal(self, number: int) -> None:
        """To the daemon alone."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """The daemon alone, with no time to say anything: its executors and their scripts go on."""
        self.signal(signal.SIGKILL)
        self.wait()

    def kill_all(self) -> None:
        """The same for its executors too, so that nothing is left which knows the scripts that live."""
        self.kill()
        for executor in self.executors:
            executor.kill()
        until(lambda: not self.executors)

    @property
    def executors(self) -> list[psutil.Process]:
        """Those that live."""
        return [each for each in self.alive() if is_executor(each)]

    @property
    def work(self) -> list[psutil.Process]:
        """What lives of runs: neither the daemon nor what starts runs for it."""
        pid = None if self.process is None else self.process.pid
        return [each for each in self.alive() if each.pid != pid and not is_one_of(each, *STARTERS)]

    @property
    def log(self) -> str:
        """All it has logged, over all its starts."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def says(self, words: str, since: int = 0) -> None:
        """Its log has these words, behind its first `since` characters, or will soon: a thread writes it."""
        until(lambda: words in self.log[since:])

    def alive(self) -> list[psutil.Process]:
        """Every process that lives by our doing: daemons and what they started work in our folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.folder):
                    found.append(process)
        return found

    def clear(self) -> None:
        """Leave nothing behind, whatever the test came to."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self.alive():
            with contextlib.suppress(psutil.Error):
                process.kill()

    # What is asked of it.

    def url(self, path: str) -> str:
        """The address of `path`."""
        return path if path.startswith("http") else f"http://127.0.0.1:{self.port}{path}"

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """The answer to one request, on a connection of its own."""
        from twisted.internet import reactor
        from twisted.web.client import Agent

        return await treq.request(method, self.url(path), agent=Agent(reactor), timeout=GENEROUS, **more)

    async def get(self, path: str) -> Any:
        """The JSON of a page that must be there."""
        answer = await self.ask("GET", path)
        text = await answer.text()
        assert answer.code == 200, text
        return await treq.json_content(answer)

    async def text(self, path: str) -> str:
        """The text of a page that must be there."""
        answer = await self.ask("GET", path)
        assert answer.code == 200
        return str(await answer.text())

    async def schedule(self, task: str, seconds: float = 1, **more: Any) -> str:
        """Make a job; its address."""
        body = {"task": task, "name": f"a {task}", "interval": {"seconds": seconds}} | more
        answer = await self.ask("POST", "/jobs", json=body)
        assert answer.code == 202, await answer.text()
        return str(answer.headers.getRawHeaders("location")[0])

    async def runs(self, job: str, *states: str) -> list[Any]:
        """A job's runs in these states, oldest first."""
        found = (await self.get(f"{job}/runs?limit=1000"))["values"]
        return [run for run in reversed(found) if not states or run["state"] in states]

    async def run_in(self, job: str, *states: str) -> Any:
        """The first run of a job that came into one of these states."""

        async def look() -> Any:
            return next(iter(await self.runs(job, *states)), None)

        return await eventually(look)


@contextlib.contextmanager
def daemon_in(folder: Path) -> Iterator[Daemon]:
    """A daemon that is certainly gone afterwards, with all its children."""
    daemon = Daemon(folder)
    try:
        yield daemon
    finally:
        daemon.clear()
