"""How long a run of an empty `@watchdog` task takes an executor, started cold and started warm, in turn."""

from __future__ import annotations

import argparse
import os
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from reaping import Bench, run

from jobsched.config import catalog
from jobsched.reactor_types import Reactor
from jobsched.runner import child
from jobsched.task import Info

MOST = 5.0  # milliseconds of a warm run at the median
TASK = """
from jobsched.watchdog import watchdog

class Empty:
    @watchdog()
    def __call__(self, info):
        pass
"""


async def cold_and_warm(reactor: Reactor, folder: Path, options: argparse.Namespace) -> None:
    """Measure and print."""
    (folder / "empty.py").write_text(TASK)
    (folder / "catalog.cfg").write_text("[empty]\nfile = empty.py\nclass = Empty\n")
    task = catalog.load(folder / "catalog.cfg", folder).tasks["empty"]
    argv = [os.fsencode(word) for word in child.argv()]
    told = child.describe(task, Info("j", 10.0, "r", "it", datetime.now(UTC)))
    root = os.fsencode(Path(__file__).parents[1])
    env = {child.VARIABLE.encode(): told.encode(), b"PYTHONPATH": root}
    os.environ["PYTHONPATH"] = os.fsdecode(root)
    bench = Bench(reactor, folder)
    file = os.fsencode(task.file)
    took: dict[bytes, list[float]] = {b"": [], file: []}
    cpu: dict[bytes, float] = {b"": 0.0, file: 0.0}
    for number in range(options.runs + 10):
        for which in took:
            before, begun = children(), time.perf_counter()
            ended = await bench.start(*argv, env=env, file=which)
            assert ended.exit_code == 0, ended
            if number >= 10:  # what is done once is done, the server is there
                took[which].append((time.perf_counter() - begun) * 1000)
                cpu[which] += children() - before
    for which, name in ((b"", "cold"), (file, "warm")):
        spread = quantiles(took[which], n=20)
        own = cpu[which] * 1000 / options.runs
        print(f"{name}: median {median(took[which]):.1f} ms, p95 {spread[18]:.1f} ms; {own:.1f} ms of CPU of the child")
    ratio = median(took[b""]) / median(took[file])
    verdict = "" if median(took[file]) <= MOST else f", more than {MOST:g} ms"
    print(f"warm is {ratio:.1f} times as fast{verdict}")
    await bench.executor.end()


def children() -> float:
    """Seconds of CPU of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="of each kind (default: 100)")
    run(cold_and_warm, parser.parse_args())
