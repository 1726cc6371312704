"""A node `front` that is asked, and a node `worker` that executes what is asked for, on one PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from pathlib import Path
from typing import Any

from tests.servers import Server
from tests.system.caller import Answer, Caller
from tests.system.daemon import GENEROUS, Daemon, daemon_in, until

LINES = "#!/bin/sh\ni=0\nwhile [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done\n"
FEW = "#!/bin/sh\necho one; echo two; echo three\n"
STEPS = """#!/bin/sh
echo begun
for step in 1 2 3; do
    while [ ! -e "$JOBSCHED_PARAM_GATE.$step" ]; do sleep 0.05; done
    echo step $step
done
"""
MUCH = "#!/bin/sh\ni=0\nwhile [ $i -lt 768 ]; do printf '%065535d\\n' $i; i=$((i+1)); done\n"  # 48 MiB
NUMBERS = "".join(f"line {n}\n" for n in range(30_000)).encode()
STEPPED = b"begun\nstep 1\nstep 2\nstep 3\n"

_number = count()


class Pair:
    """A node `front` that is asked, and a node `worker` on which the jobs insist."""

    def __init__(self, folder: Path, front: Daemon, worker: Daemon) -> None:
        self.front, self.worker = front, worker
        self.ask = Caller(front)
        self._gates = (folder / f"gate{n}" for n in count())

    def start(self) -> None:
        self.worker.start()
        self.front.start()
        until(lambda: "node worker is there" in self.front.log)

    def job(self, task: str, **more: Any) -> str:
        return self.ask.make(task, require={"role": "worker"}, **more)

    def ended(self, task: str) -> str:
        """The path of a run that has ended on the worker."""
        run = self.ask.run(self.job(task))
        found = self.ask.ended(run)
        assert (found["state"], found["node"]) == ("succeeded", "worker"), found
        return run

    def gate(self) -> tuple[dict[str, str], Callable[[int], None]]:
        """What the task `steps` is to be told, and how to let it take a step."""
        gate = next(self._gates)
        return {"gate": str(gate)}, lambda step: Path(f"{gate}.{step}").touch()

    def begun(self) -> tuple[str, Callable[[int], None]]:
        """The path of a run that goes on, and how to let it take a step."""
        parameters, step = self.gate()
        run = self.ask.run(self.job("steps", parameters=parameters))
        until(lambda: self.ask.get(run)["state"] == "running" and self.printed(run))
        return run, step

    def output(self, run: str, query: str = "", method: str = "GET", **headers: str) -> Answer:
        return self.ask.ask(method, f"{run}/output{query}", **headers)

    def printed(self, run: str) -> bool:
        """Whether it has printed anything."""
        file = self.file(run)
        return file is not None and file.stat().st_size > 0

    def file(self, run: str) -> Path | None:
        return next(self.worker.folder.glob(f"var/output/*/{run.rpartition('/')[2]}.log"), None)

    @contextlib.contextmanager
    def stream(self, path: str, method: str = "GET") -> Iterator[HTTPResponse]:
        """The answer of the front, to be read as it comes."""
        client = HTTPConnection("127.0.0.1", self.front.port, timeout=GENEROUS)
        with contextlib.closing(client):
            client.request(method, path)
            yield client.getresponse()


@contextlib.contextmanager
def pair_in(folder: Path, server: Server, address: bool = True, lease: int = 60) -> Iterator[Pair]:
    """Not started yet; without `address` the worker has no NODE_URL. With the shortest `lease`, of 10 s, a node that
    dies is soon taken for dead, and one that a busy machine keeps waiting ends its runs."""
    name = f"pair{next(_number)}"
    url = server.create_database(name)
    with daemon_in(folder / "front") as front, daemon_in(folder / "worker") as worker:
        for daemon, role in ((front, "front"), (worker, "worker")):
            here = f"http://127.0.0.1:{daemon.port}" if address or role == "front" else None
            daemon.options(f"NODE_NAME = {role!r}\nNODE_TAGS = {{'role': {role!r}}}\nNODE_URL = {here!r}")
            daemon.options(f"SCHED_CONFIG = {{'store': {url!r}}}\nJOB_LIVETIME = 600\nLEASE = {lease}")
            for task, text in {"lines": LINES, "few": FEW, "much": MUCH, "steps": STEPS}.items():
                daemon.script(task, text)
            daemon.section("parameters = gate\n")  # of the last
        yield Pair(folder, front, worker)
    server.drop_database(name)
