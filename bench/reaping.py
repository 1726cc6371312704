"""What a short run costs an executor while many others of its runs sleep, against what it costs beside none."""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import cast

from daemon import machine
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, gatherResults

from jobsched.clock import count_elapsed
from jobsched.executor.executor import Executor
from jobsched.executor.frames import Ended, Frame, Start, Stop, Why
from jobsched.executor.journal import Journal
from jobsched.reactor_types import Reactor

MOST = 1.1  # times what a run costs beside none
GRACE = 5.0  # seconds from TERM to KILL
ENOUGH = 1_000_000  # bytes of output


class Bench:
    """An executor in this very process, and what it tells."""

    def __init__(self, reactor: Reactor, folder: Path) -> None:
        self._over: dict[str, Deferred[Ended]] = {}
        self._names: Iterator[int] = count()
        (folder / "executors").mkdir()
        outcomes = Journal(folder / "executors", "it")
        self.executor = Executor(reactor, folder / "output", ENOUGH, outcomes, self._hear, lambda: None)
        self.executor.begin()

    def start(
        self, *argv: bytes, env: Mapping[bytes, bytes] = MappingProxyType({}), file: bytes = b""
    ) -> Deferred[Ended]:
        """Start a run, warm if there is a `file`; fires when it has ended."""
        run_id = f"run-{next(self._names)}"
        env = {b"JOBSCHED_RUN_ID": run_id.encode(), b"PATH": b"/usr/bin:/bin", **env}
        self._over[run_id] = Deferred()
        words = list(argv)
        start = Start(run_id=run_id, job_name="it", argv=words, env=env, grace=GRACE, path=argv[0], task_file=file)
        self.executor.heard(start)
        return self._over[run_id]

    def stop(self) -> None:
        """End what still runs."""
        for run_id in self._over:
            self.executor.heard(Stop(run_id=run_id, why=Why(state="cancelled", reason="the end")))

    def _hear(self, frame: Frame) -> None:
        if isinstance(frame, Ended):
            self._over.pop(frame.run_id).callback(frame)

    async def cost(self, runs: int) -> float:
        """Milliseconds of CPU that this process takes for each of so many short runs, one after another."""
        before = used()
        for _ in range(runs):
            ended = await self.start(b"/bin/true")
            assert ended.exit_code == 0, ended
        return (used() - before) * 1000 / runs


def used() -> float:
    """Seconds of CPU of this process and its threads so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def beside(reactor: Reactor, folder: Path, options: argparse.Namespace) -> None:
    """Measure and print."""
    bench = Bench(reactor, folder)
    await bench.cost(100)  # what is done once is done
    alone = await bench.cost(options.runs)
    print(f"beside none: {alone:.2f} ms of CPU a run")
    sleeping = [bench.start(b"/bin/sleep", b"1000") for _ in range(options.sleepers)]
    try:
        await bench.cost(100)
        begun = time.perf_counter()
        crowded = await bench.cost(options.runs)
        took = (time.perf_counter() - begun) * 1000 / options.runs
        print(f"beside {options.sleepers} that sleep: {crowded:.2f} ms of CPU a run, which takes {took:.1f} ms")
        verdict = "" if crowded / alone <= MOST else f", more than {MOST}"
        print(f"{crowded / alone:.2f} times as much{verdict}")
    finally:
        bench.stop()
        await gatherResults(sleeping)
        await bench.executor.end()


Measure = Callable[[Reactor, Path, argparse.Namespace], Coroutine[Deferred[object], object, None]]


def run(measure: Measure, options: argparse.Namespace) -> None:
    """Measure with a reactor, in a folder of its own."""
    machine()
    reactor = cast("Reactor", installed)
    count_elapsed(reactor)
    folder = Path(tempfile.mkdtemp(prefix="jobsched-bench-"))

    def begin() -> None:
        done = Deferred.fromCoroutine(measure(reactor, folder, options))
        done.addErrback(lambda why: why.printTraceback())
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    try:
        reactor.run()
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="short ones (default: 500)")
    parser.add_argument("--sleepers", type=int, default=3000, help="runs that sleep beside them (default: 3000)")
    run(beside, parser.parse_args())


if __name__ == "__main__":
    main()
