"""A script that prints a hundred megabytes as fast as it can: how fast they reach the file, and what that costs.

The script is `cat` of a prepared file of lines, and the logger `jobsched.output` is off. The same through
a pipe between two `cat`s is what this machine can do.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

from daemon import Caller, Daemon, NotMeasured, instant, load, machine, percentile, running, verdict

CATALOG = f"""\
[print]
file = runscript.py
class = RunScript
script = {shutil.which("cat") or "/bin/cat"}
arguments = FOLDER/printed
"""
OPTIONS = "OUTPUT_LIMIT = 10**12"
LINE = b"x" * 99 + b"\n"
LOGGER_ON = "qualname = jobsched.output\nlevel = INFO\n"
LOGGER_OFF = "qualname = jobsched.output\nlevel = CRITICAL\n"
LOOK = 0.002  # seconds between two looks at the file and the memory
PATIENCE = 60  # seconds for one run


class Watch(Thread):
    """Looks at the daemon's memory, and at a run's file for its first and last byte.

    `first` is the last look that found none and `last` the first that found all: they err on the long side.
    """

    def __init__(self, daemon: Daemon, size: int) -> None:
        super().__init__(daemon=True)
        self._daemon = daemon
        self._size = size
        self._seen = set(daemon.state.rglob("*.log"))
        self.over = Event()
        self.peak = daemon.rss  # MB
        self.first = self.last = 0.0

    def run(self) -> None:
        """Look until told that it is over."""
        path: Path | None = None
        empty = time.perf_counter()
        while not self.over.is_set():
            now = time.perf_counter()
            self.peak = max(self.peak, self._daemon.rss)
            if path is None:
                path = next((new for new in self._daemon.state.rglob("*.log") if new not in self._seen), None)
            if path is not None and not self.last:
                size = path.stat().st_size
                self.first = self.first or (empty if size else 0.0)
                self.last = time.perf_counter() if size >= self._size else 0.0
            empty = now
            time.sleep(LOOK)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100, help="that one run prints (default: 100)")
    parser.add_argument("--times", type=int, default=7, help="runs, of which the median counts (default: 7)")
    options = parser.parse_args()
    size = options.megabytes * 1_000_000
    machine()
    with (
        running(CATALOG, options=OPTIONS, prepare=lambda daemon: prepare(daemon, size)) as daemon,
        daemon.caller() as caller,
    ):
        pipe = [bare(daemon.folder, size) for _ in range(3)]
        print(f"cat | cat, {options.megabytes} MB: {words(pipe)} MB/s; {load()}")
        job = caller.post_job(task="print", name="print", at="2999-01-01T00:00:00Z")
        time.sleep(1)
        before = daemon.rss
        rates, spans, peaks = [], [], []
        cpu = daemon.cpu
        for _ in range(options.times):
            rate, span, peak = measure(daemon, caller, job, size)
            rates.append(rate)
            spans.append(span)
            peaks.append(peak - before)
        cpu = (daemon.cpu - cpu) / options.times
        time.sleep(1)
        print(f"{options.times} runs of {options.megabytes} MB, jobsched.output off; {load()}")
        print(f"  by `started` and `ended` of the run: {words(rates)} MB/s")
        print(f"  from the first to the last byte:     {words(spans)} MB/s")
        print(f"  memory before: {before:.1f} MB; most beyond that, run by run: {words(peaks)} MB; "
              f"at the end {daemon.rss - before:.1f} MB")  # fmt: skip
        print(f"  CPU for one run: the daemon {cpu:.2f} s")
        verdict("median by the run's duration", percentile(rates, 50), 100, "MB/s", at_least=True)
        verdict("median from first to last byte", percentile(spans, 50), 100, "MB/s", at_least=True)
        verdict("most memory beyond what it was", max(peaks), 20, "MB")


def prepare(daemon: Daemon, size: int) -> None:
    """What is printed, and a logging.cfg in which the logger of output is off."""
    with open(daemon.folder / "printed", "wb") as printed:
        block = LINE * 10_000
        printed.writelines(block for _ in range(0, size, len(block)))
        printed.truncate(size)
    conf = daemon.folder / "conf" / "logging.cfg"
    text = conf.read_text()
    if LOGGER_ON not in text:
        raise NotMeasured(f"the shipped {conf.name} is not as expected")
    conf.write_text(text.replace(LOGGER_ON, LOGGER_OFF))


def bare(folder: Path, size: int) -> float:
    """MB/s of the same file through a pipe into another, without Jobsched."""
    copy = folder / "copy"
    begun = time.perf_counter()
    with open(copy, "wb") as target:
        source = subprocess.Popen(["cat", str(folder / "printed")], stdout=subprocess.PIPE)
        subprocess.run(["cat"], stdin=source.stdout, stdout=target, check=True)
        source.wait()
    took = time.perf_counter() - begun
    if copy.stat().st_size != size:
        raise NotMeasured("cat | cat did not copy everything")
    copy.unlink()
    return size / 1e6 / took


def measure(daemon: Daemon, caller: Caller, job: str, size: int) -> tuple[float, float, float]:
    """One run: MB/s by its duration, MB/s from first to last byte, the most memory meanwhile in MB."""
    watch = Watch(daemon, size)
    watch.start()
    try:
        status, headers, body = caller.ask("POST", f"/jobs/{job}/run")
        if status != 202:
            raise NotMeasured(f"POST /run: {status} {body[:300]!r}")
        run = caller.get(f"/runs/{headers['location'].rpartition('/')[2]}?wait={PATIENCE - 10}")
        time.sleep(20 * LOOK)
    finally:
        watch.over.set()
        watch.join()
    path = next(daemon.state.rglob(f"{run['id']}.log"), None)
    same = path is not None and path.read_bytes() == (daemon.folder / "printed").read_bytes()
    if run["state"] != "succeeded" or run["output"] != {"bytes": size, "kept": size, "truncated": False} or not same:
        raise NotMeasured(f"the output is not whole: {run['state']}, {run['reason']}, {run['output']}")
    if not watch.last:
        raise NotMeasured("the file was whole, and was not seen so")
    took = (instant(run["ended"]) - instant(run["started"])).total_seconds()
    return size / 1e6 / took, size / 1e6 / (watch.last - watch.first), watch.peak


def words(figures: list[float]) -> str:
    """Each of a few figures."""
    return " ".join(f"{figure:.1f}" for figure in figures)


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
