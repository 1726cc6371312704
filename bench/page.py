"""The live page: how soon the list of jobs is there, what a hundred open pages cost, and whether anything jumps.

Open pages are simulated: each is a client that asks for what the scripts of the page ask for, no less and no sooner. A
real Chromium tells when it paints, and how far things moved (its own measure, CLS).
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import catalogs
from asking import ask
from daemon import (
    Daemon,
    NotMeasured,
    instant,
    load,
    machine,
    once_made,
    percentile,
    post_jobs,
    running,
    spread,
    verdict,
)
from fill import fill
from joblists import record

from jobsched.ui.files import Files
from tests.browser.chrome import chrome_at, install

OPTIONS = "KEEP_RUNS = 10_000_000\nMAX_FOLLOWERS = {0}\nMAX_CONNECTIONS = {1}"
ANSWER, PAINT, SHARE, VISIBLE, SIZE = 100, 300, 10, 2.0, 60  # ms, ms, % of a core, s, kB
SCRIPTS = Path(__file__).resolve().parents[1] / "jobsched" / "ui" / "static" / "live.js"
ENDED = re.compile(rb'"ended":"([^"]+)"')
SHIFTS = """
await page.addInitScript(() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifts += each.value;
  }).observe({ type: "layout-shift", buffered: true });
});
"""
PAINTED = """
await page.goto("about:blank");  // what the screen before asks for would be answered first
await page.waitForTimeout(1500);
await page.goto(origin + path, { waitUntil: "load" });
return await page.evaluate(() => new Promise((told) => {
  const found = () => performance.getEntriesByName("first-contentful-paint")[0];
  const look = () => found() ? told(found().startTime) : setTimeout(look, 20);
  look();
}));
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="how many are listed (default: 10000)")
    parser.add_argument("--asks", type=int, default=100, help="questions to time (default: 100)")
    parser.add_argument("--pages", type=int, default=100, help="how many are open (default: 100)")
    parser.add_argument("--rate", type=int, default=50, help="runs a second meanwhile (default: 50)")
    parser.add_argument("--seconds", type=int, default=20, help="for how long, each (default: 20)")
    parser.add_argument("--only", choices=["list", "pages"], help="one of the two halves (default: both)")
    options = parser.parse_args()
    machine()
    size = sum(len(file.compressed) for file in Files().files.values()) / 1000
    verdict("all files, compressed", size, SIZE, "kB")
    if options.only != "pages":
        long_list(options.jobs, options.asks)
    if options.only != "list":
        open_pages(options.pages, options.rate, options.seconds)


def long_list(count: int, asks: int) -> None:
    """The list of many jobs: its answer, and when it is painted."""
    jobs, runs = record(count, 12)
    with running(catalogs.TRUE, options=OPTIONS.format(64, 256), prepare=lambda daemon: fill(daemon, jobs, runs)) as it:
        for path in ("/ui/jobs", "/ui/jobs?sort=name", "/ui/jobs?q=team%3Ddata", "/ui/"):
            took = screens(it, path, asks)
            print(f"GET {path}: {spread(took)}; {load()}")
            if path.startswith("/ui/jobs"):
                verdict(f"{path} p99", percentile(took, 99) * 1000, ANSWER, "ms")
        with tempfile.TemporaryDirectory() as folder:
            install(Path(folder))
            with chrome_at(Path(folder), f"http://127.0.0.1:{it.port}") as chrome:
                painted = [chrome.do(PAINTED, path="/ui/jobs") / 1000 for _ in range(12)][2:]
        print(f"first contentful paint of /ui/jobs: {spread(painted)}; {load()}")
        verdict("first paint, median", percentile(painted, 50) * 1000, PAINT, "ms")


def screens(daemon: Daemon, path: str, times: int) -> list[float]:
    """The seconds that each answer takes."""
    return ask(daemon, lambda: path, times)


def open_pages(count: int, rate: int, seconds: int) -> None:
    """What open pages cost a daemon that is at work, by screen; and whether rows that change shift anything."""
    with running(catalogs.TRUE, options=OPTIONS.format(count + 20, 2 * count + 40)) as daemon:
        first = once_made(rate)
        post_jobs(daemon, [
            {"task": "true", "name": f"job {number}", "interval": {"seconds": 1}, "overlap": "skip",
             "start": (first + number * timedelta(seconds=1) / rate).isoformat()}
            for number in range(rate)
        ])  # fmt: skip
        time.sleep(max((first - datetime.now(UTC)).total_seconds(), 0) + 3)
        without = share(daemon, "", 0, seconds)
        for path in ("/ui/jobs", "/ui/runs", "/ui/"):
            late: list[float] = []
            shared = share(daemon, path, count, seconds, late)
            verdict(f"{count} pages of {path}", (shared - without) * 100, SHARE, "% of a core")
            print(f"  from `ended` until it can be seen: {spread(late, 's', 1)}")
            verdict("p99 of that", percentile(late, 99), VISIBLE, "s")
        with tempfile.TemporaryDirectory() as folder:
            install(Path(folder))
            with chrome_at(Path(folder), f"http://127.0.0.1:{daemon.port}") as chrome:
                for path in ("/ui/jobs", "/ui/"):
                    chrome.fresh(timezoneId="UTC")
                    chrome.do(SHIFTS)
                    chrome.open(path)
                    time.sleep(seconds / 2)
                    verdict(f"CLS of {path}", chrome.do("return await page.evaluate(() => window.shifts)"), 0, "")


def share(daemon: Daemon, path: str, count: int, seconds: float, late: list[float] | None = None) -> float:
    """How much of a core the daemon takes while so many pages are open."""
    found = asyncio.run(look_at(daemon, path, count, seconds, [] if late is None else late))
    print(f"{count} pages {path}: {found:.1%} of a core; {load()}")
    return found


async def look_at(daemon: Daemon, path: str, count: int, seconds: float, late: list[float]) -> float:
    """The same, in a loop of its own."""
    pages = [OpenPage(daemon.port, path, late, number % 10 == 0) for number in range(count)]
    tasks = []
    for page in pages:
        tasks.append(asyncio.create_task(page.live()))
        await asyncio.sleep(0.013)  # people come one after the other
    while not all(page.open for page in pages):
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    late.clear()
    cpu, begun, asked = daemon.cpu, time.monotonic(), sum(page.asked for page in pages)
    await asyncio.sleep(seconds)
    found = (daemon.cpu - cpu) / (time.monotonic() - begun)
    if count:
        print(f"  {(sum(page.asked for page in pages) - asked) / seconds:.0f} screens a second were asked for")
    for task in tasks:
        if task.done():
            raise NotMeasured(f"a page ended: {task.exception()}")
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def said(name: str) -> float:
    """A number of the page's own script, in seconds."""
    found = re.search(rf"const {name} = (\d+);", SCRIPTS.read_text())
    assert found is not None
    return int(found[1]) / 1000


class OpenPage:
    """Asks for what live.js asks for; keep the two alike."""

    GATHERED, DUES, APART, TOGETHER = said("GATHERED"), said("DUES"), said("APART"), said("TOGETHER")
    EARLY, SETTLED = said("EARLY"), said("SETTLED")

    def __init__(self, port: int, path: str, late: list[float], notes: bool) -> None:
        self.asked = 0
        self.open = False
        self._notes = notes  # one page in ten notes how late it is: to parse takes longer than to show
        self._port = port
        self._path = path
        self._late = late
        self._ended: list[tuple[float, datetime]] = []  # what was heard, and what is not shown yet
        self._looked = 0.0
        self._wanted = asyncio.Event()

    async def live(self) -> None:
        """Until it is cancelled."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        await self._fetch()
        stream, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        looks = self._dues() if self._path == "/ui/jobs" else self._looks() if self._path == "/ui/" else None
        others = [] if looks is None else [asyncio.create_task(looks)]
        try:
            await asyncio.sleep(self.SETTLED)
            await self._fetch(self.GATHERED)
            self.open = True
            while True:
                heard = await stream.read(1 << 20)
                if not heard:
                    raise NotMeasured("the stream of events ended")
                self._hear(heard)
        finally:
            for each in others:
                each.cancel()
            writer.close()
            self._writer.close()

    def _hear(self, heard: bytes) -> None:
        if b"event: run" not in heard:
            return
        self._wanted.set()
        ended = [instant(each.decode()) for each in ENDED.findall(heard)] if self._notes else []
        if self._path == "/ui/":
            self._ended += [(time.monotonic(), each) for each in ended]
        else:  # the row is changed by the event itself, once the gathered ones are shown
            now = datetime.now(UTC)
            self._late += [(now - each).total_seconds() + self.GATHERED for each in ended]

    async def _dues(self) -> None:
        while True:
            await asyncio.sleep(self.DUES)
            await self._fetch(self.DUES / 5)

    async def _looks(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(max(0, self._looked + self.APART - time.monotonic()))
            self._wanted.clear()
            self._looked = time.monotonic()
            ago = await self._fetch(self.TOGETHER)
            made = time.monotonic() - ago - self.EARLY
            self._late += [(datetime.now(UTC) - each).total_seconds() for heard, each in self._ended if heard <= made]
            self._ended = [(heard, each) for heard, each in self._ended if heard > made]
            if self._ended:
                self._wanted.set()

    async def _fetch(self, gathered: float | None = None) -> float:
        """How many seconds ago the making of the screen has begun."""
        self.asked += 1
        look = "" if gathered is None else f"Jobsched-Look: {gathered * 1000:.0f}\r\n"
        self._writer.write(f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n{look}\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"(?i)content-length: (\d+)", head)
        if b" 200 " not in head or size is None:
            raise NotMeasured(f"GET {self._path}: {head[:200]!r}")
        await self._reader.readexactly(int(size[1]))
        ago = re.search(rb"(?i)jobsched-made: (\d+)", head)
        return 0.0 if ago is None else int(ago[1]) / 1000


if __name__ == "__main__":
    main()
