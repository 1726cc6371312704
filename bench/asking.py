"""Asking a daemon questions of one kind, one after the other, and how long each answer takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from daemon import Daemon, NotMeasured


def ask(
    daemon: Daemon, path: Callable[[], str], times: int, *, connections: int = 1, values: int | None = None
) -> list[float]:
    """The seconds that each GET took; `values`: so many must be on each page."""
    paths = [path() for _ in range(times)]

    def share(number: int) -> list[float]:
        found = []
        with daemon.caller() as caller:
            for one in paths[number::connections]:
                begun = time.perf_counter()
                status, _, body = caller.ask("GET", one)
                found.append(time.perf_counter() - begun)
                if status != 200 or (values is not None and len(json.loads(body)["values"]) != values):
                    raise NotMeasured(f"GET {one}: {status} {body[:300]!r}")
        return found

    with ThreadPoolExecutor(connections) as pool:
        return [seconds for part in pool.map(share, range(connections)) for seconds in part]
