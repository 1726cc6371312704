"""What the benchmarks share: a real daemon in a folder of its own, a quick HTTP client, and figures in words."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # seconds that a daemon may take to end
POSTED = 200  # jobs a second that a daemon makes at least
ANSWER = 300.0  # seconds that it may take to answer
ENDED = {"succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "missed"}


class NotMeasured(Exception):
    """There is no figure, and why."""


class Caller:
    """One keep-alive connection. Bare on purpose: on a small machine a heavy client would measure itself."""

    def __init__(self, port: int, token: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = bytearray()
        self._token = f"Authorization: Bearer {token}\r\n" if token else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        self._socket.close()

    def ask(self, verb: str, path: str, value: Any = None) -> tuple[int, dict[str, str], bytes]:
        """(status, headers by lower-case name, body)."""
        self.send(verb, path, value)
        return self.answer(verb, path)

    def send(self, verb: str, path: str, value: Any = None) -> None:
        """Ask, and do not wait. The value is sent as JSON; bytes are JSON already."""
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        kind = "" if value is None else "Content-Type: application/json\r\n"
        more = f"{kind}{self._token}Content-Length: {len(body)}"
        head = f"{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n\r\n"
        self._socket.sendall(head.encode() + body)

    def answer(self, verb: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """What comes back: (status, headers by lower-case name, body)."""
        status_line, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        if "content-length" not in headers:
            raise NotMeasured(f"{verb} {path}: an answer without a length, which this client cannot read")
        return int(status_line.split()[1]), headers, self._exactly(int(headers["content-length"]))

    def get(self, path: str) -> Any:
        """The JSON that a GET is answered with."""
        status, _, body = self.ask("GET", path)
        if status != 200:
            raise NotMeasured(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def post_job(self, **fields: Any) -> str:
        """Make a job; its id."""
        status, headers, body = self.ask("POST", "/jobs", fields)
        if status != 202:
            raise NotMeasured(f"POST /jobs: {status} {body[:300]!r}")
        return headers["location"].rpartition("/")[2]

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._left:
            self._more()
        found, _, self._left = self._left.partition(mark)
        return bytes(found)

    def _exactly(self, size: int) -> bytes:
        while len(self._left) < size:
            self._more()
        found = bytes(self._left[:size])
        del self._left[:size]
        return found

    def _more(self) -> None:
        data = self._socket.recv(262144)
        if not data:
            raise ConnectionError("the daemon hung up")
        self._left += data


class Daemon:
    """A twistd with the shipped configuration and a catalog of its own; it is ended by its pid."""

    def __init__(self, folder: Path, catalog: str, scripts: Mapping[str, str], checkout: Path = ROOT) -> None:
        self.folder = folder
        self._checkout = checkout
        self.state = folder / "state"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._executors: list[psutil.Process] = []
        shutil.copytree(checkout / "conf", folder / "conf", dirs_exist_ok=True)
        shutil.copytree(checkout / "tasks", folder / "tasks", dirs_exist_ok=True)
        (folder / "conf" / "catalog.cfg").write_text(catalog.replace("FOLDER", str(folder)))
        for name, text in scripts.items():
            (folder / "tasks" / name).write_text(text)
            (folder / "tasks" / name).chmod(0o755)

    @property
    def process(self) -> psutil.Process:
        """The running daemon."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def start(self) -> float:
        """Start it; the seconds from the spawn until GET /catalog was answered 200."""
        self.port, self._executors = self.port or free_port(), []
        twistd = Path(sys.executable).with_name("twistd")
        argv = [
            str(twistd) if twistd.exists() else "twistd", "-n", "--pidfile=", "jobsched",
            "--conf-dir", str(self.folder / "conf"), "--tasks-dir", str(self.folder / "tasks"),
            "--state-dir", str(self.state), "--listen", f"tcp:{self.port}:interface=127.0.0.1",
        ]  # fmt: skip
        begun = time.perf_counter()
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                argv, cwd=self.folder, env=os.environ | {"PYTHONPATH": str(self._checkout)}, stdout=log, stderr=log
            )
        while time.perf_counter() - begun < PATIENCE:
            if self._process.poll() is not None:
                break
            try:
                with self.caller() as caller:
                    caller.get("/catalog")
                return time.perf_counter() - begun
            except ConnectionError:
                time.sleep(0.005)
        raise NotMeasured(f"the daemon does not answer:\n{(self.folder / 'log').read_text()[-2000:]}")

    def find_executors(self, count: int) -> None:
        """Return when so many are there to be spoken with; call it while no run is started."""
        begun = time.perf_counter()
        while len(list((self.state / "executors").glob("*.sock"))) < count:
            if time.perf_counter() - begun > PATIENCE:
                raise NotMeasured(f"the executors are not there:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        self._executors = self.process.children() if count else []

    def stop(self) -> None:
        """TERM, and KILL if that does not help; to this one process."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            print(f"  the daemon did not end within {PATIENCE:g} s and was killed")
            self._process.kill()
            self._process.wait()

    def caller(self, token: str = "") -> Caller:
        """A new connection."""
        return Caller(self.port, token)

    @property
    def _all(self) -> list[psutil.Process]:
        return [self.process, *self._executors]

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it took itself, its executors included, without what they started."""
        return float(sum(times.user + times.system for times in (each.cpu_times() for each in self._all)))

    @property
    def children_cpu(self) -> float:
        """Seconds of CPU that what it or its executors started took, as far as it has ended."""
        every = [each.cpu_times() for each in self._all]
        return float(sum(times.children_user + times.children_system for times in every))

    @property
    def rss(self) -> float:
        """Resident memory in MB, with its executors."""
        return float(sum(each.memory_info().rss for each in self._all)) / 1e6

    def remove_jobs(self, ids: Sequence[str]) -> None:
        """Unschedule, then wait until what was started has ended."""
        with self.caller() as caller:
            for job_id in ids:
                caller.ask("DELETE", f"/jobs/{job_id}")
            deadline = time.monotonic() + PATIENCE
            for job_id in ids:
                while time.monotonic() < deadline:
                    newest = caller.get(f"/jobs/{job_id}/runs?limit=1")["values"]
                    if all(run["state"] in ENDED for run in newest):
                        break
                    time.sleep(0.05)

    def runs(self, job_id: str | None, caller: Caller) -> Iterator[dict[str, Any]]:
        """Every recorded run of a job, or of all jobs, newest first."""
        where = "/runs" if job_id is None else f"/jobs/{job_id}/runs"
        after = ""
        while True:
            page = caller.get(f"{where}?limit=1000{after}")["values"]
            yield from page
            if len(page) < 1000:
                return
            after = f"&after={page[-1]['id']}"


@contextmanager
def running(
    catalog: str,
    scripts: Mapping[str, str] | None = None,
    options: str = "",
    prepare: Callable[[Daemon], None] | None = None,
    checkout: Path = ROOT,
    executors: int = 0,
) -> Iterator[Daemon]:
    """A daemon that answers, in a temporary folder that is gone afterwards; FOLDER in the catalog is that folder.

    `options` go behind the shipped ones in jobsched.cfg; `prepare` has the folder before the daemon starts; `checkout`
    is of what code; `executors` is how many it has, and they are there, too.
    """
    daemon = Daemon(Path(tempfile.mkdtemp(dir=_folder().name)), catalog, scripts or {}, checkout)
    try:
        with open(daemon.folder / "conf" / "jobsched.cfg", "a") as conf:
            conf.write(f"\nEXECUTORS = {executors}\n{options}\n")
        if prepare is not None:
            prepare(daemon)
        daemon.start()
        daemon.find_executors(executors)
        yield daemon
    finally:
        daemon.stop()


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Where daemons have their folders. It goes when this process ends: whenever a file is made, ext4 without a journal
    passes one by one over the inodes of files that were removed in the last minute. After 10,000 outputs of the
    daemon before, a run cost a millisecond more."""
    return tempfile.TemporaryDirectory(prefix="jobsched-bench-")


def take_executors(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option `--executors`."""
    parser.add_argument("--executors", type=int, default=0, help="EXECUTORS of the daemon (default: 0)")


def free_port() -> int:
    """A port on the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post_jobs(daemon: Daemon, requests: Sequence[dict[str, Any]], connections: int = 1) -> tuple[list[str], float]:
    """Make jobs, in order on each connection; their ids in the order of `requests`, and the seconds it took."""

    def share(number: int) -> list[str]:
        with daemon.caller() as caller:
            return [caller.post_job(**fields) for fields in requests[number::connections]]

    ids = [""] * len(requests)
    begun = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        for number, made in enumerate(pool.map(share, range(connections))):
            ids[number::connections] = made
    return ids, time.perf_counter() - begun


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(math.ceil(percent / 100 * len(ranked)) - 1, 0)]


def spread(values: Sequence[float], unit: str = "ms", factor: float = 1000.0) -> str:
    """Count, min, median, p90, p99 and max in one line; seconds come out as milliseconds unless told otherwise."""
    if not values:
        return "n 0"
    points = {"min": 0, "median": 50, "p90": 90, "p99": 99, "max": 100}
    return f"n {len(values)}  " + "  ".join(
        f"{name} {percentile(values, percent) * factor:.1f}" for name, percent in points.items()
    ) + f" {unit}"  # fmt: skip


def instant(text: str) -> datetime:
    """An ISO 8601 instant as the daemon writes it."""
    return datetime.fromisoformat(text)


def dues(first: datetime, every: timedelta, end: datetime) -> list[datetime]:
    """The grid from `first` to before `end`."""
    return [first + every * beat for beat in range(max(math.ceil((end - first) / every), 0))]


def once_made(jobs: int) -> datetime:
    """A full second by which so many jobs are surely made: none may have a `start` that is over."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4 + jobs // POSTED)


def verdict(what: str, measured: float, demanded: float, unit: str, *, at_least: bool = False) -> None:
    """The figure beside the one that was asked for."""
    held = measured >= demanded if at_least else measured <= demanded
    bound = "at least" if at_least else "at most"
    print(f"  {'held ' if held else 'SHORT'}  {what}: {measured:.4g} {unit}, demanded {bound} {demanded:g} {unit}")


def load() -> str:
    """How busy the machine is with everything: figures taken on a busy one say so."""
    return "load " + " ".join(f"{average:.2f}" for average in os.getloadavg())


def machine() -> None:
    """Say what this was measured on."""
    memory = psutil.virtual_memory().total / 1e9
    print(
        f"machine: {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {load()}"
    )
