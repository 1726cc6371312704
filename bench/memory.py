"""Whether the daemon's memory stays flat over a hundred thousand runs, as fast as it can execute them.

The task runs in a thread of the daemon, prints a word and returns; the task counts the runs. There are more dues than
can be met, so that runs, skipped dues and pruning all happen all the time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from statistics import linear_regression

from daemon import Daemon, NotMeasured, load, machine, post_jobs, running, verdict

CATALOG = """\
[count]
file = count.py
class = Count
counter = FOLDER/counter
"""
COUNT = '''\
from itertools import count
from pathlib import Path


class Count:
    """Counts its calls; every hundredth is written down."""

    def __init__(self, counter):
        self._counter = Path(counter)
        self._calls = count(1)

    def __call__(self, info):
        number = next(self._calls)
        print(number)
        if number % 100 == 0:
            self._counter.write_text(f"{number:12}")
'''
OPTIONS = "KEEP_RUNS = 20"
SAMPLE = 5_000  # runs between two looks
SETTLED = 20_000  # runs after which memory is to be flat
FLAT = 5.0  # MB that 100,000 runs may add: what "flat" is taken for
LONGEST = 900  # seconds for all


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--jobs", type=int, default=100, help="that share them (default: 100)")
    parser.add_argument("--every", type=float, default=0.1, help="seconds between two dues of a job (default: 0.1)")
    options = parser.parse_args()
    machine()
    with running(CATALOG, {"count.py": COUNT}, OPTIONS) as daemon:
        print(
            f"{options.jobs} jobs every {options.every:g} s until {options.runs} have run; at first {daemon.rss:.1f} MB"
        )
        ids, _ = post_jobs(
            daemon,
            [
                {"task": "count", "name": f"job {number}", "interval": {"seconds": options.every}}
                for number in range(options.jobs)
            ],
        )
        samples = watch(daemon, options.runs)
        with daemon.caller() as caller:
            states = Counter(run["state"] for run in daemon.runs(None, caller))
        print(f"  states still in the record: {dict(states)}")
        daemon.remove_jobs(ids)
        time.sleep(2)
        print(f"  {daemon.rss:.1f} MB when all is quiet again; {load()}")
    judge(samples)


def watch(daemon: Daemon, runs: int) -> list[tuple[int, float]]:
    """(runs, MB) about every so many runs."""
    samples: list[tuple[int, float]] = []
    ran, begun, cpu = 0, time.monotonic(), daemon.cpu
    while not samples or samples[-1][0] < runs:
        took = time.monotonic() - begun
        if took > LONGEST:
            print(f"  given up after {LONGEST} s")
            break
        time.sleep(0.05)
        ran = max(ran, counted(daemon))
        if ran >= (len(samples) + 1) * SAMPLE:
            samples.append((ran, daemon.rss))
            print(f"  {ran:7} runs, {took:5.0f} s: {daemon.rss:.1f} MB, {daemon.process.num_fds()} files, "
                  f"{daemon.process.num_threads()} threads", flush=True)  # fmt: skip
    took = time.monotonic() - begun
    print(f"  {ran / took:.0f} runs/s; the daemon took {(daemon.cpu - cpu) / took:.0%} of a core; {load()}")
    return samples


def counted(daemon: Daemon) -> int:
    """How many runs there were, to the hundred; 0 while that is being written."""
    try:
        return int((daemon.folder / "counter").read_text() or 0)
    except FileNotFoundError:
        return 0


def judge(samples: list[tuple[int, float]]) -> None:
    """The slope of memory over runs, once it has settled; that of the later half tells a step from a leak."""
    later = [sample for sample in samples if sample[0] >= SETTLED]
    if len(later) < 6:
        raise NotMeasured(f"too few runs to tell: give it at least {SETTLED + 6 * SAMPLE}")
    half = later[len(later) // 2 :]
    verdict(f"memory that 100000 runs add, by the slope after {SETTLED} runs", slope(later), FLAT, "MB")
    verdict(f"the same, by the slope after {half[0][0]} runs", slope(half), FLAT, "MB")


def slope(samples: list[tuple[int, float]]) -> float:
    """MB for 100,000 runs."""
    memory = [megabytes for _, megabytes in samples]
    found: float = linear_regression(*zip(*samples, strict=True)).slope * 1e5
    print(f"  from {samples[0][0]} runs on: {found * 10:.0f} bytes a run, {min(memory):.1f} to {max(memory):.1f} MB")
    return found


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
