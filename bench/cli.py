"""How long the command takes to start: `bench/cli.py [JOBS]`, with a daemon of its own that has so many jobs.

It must not exceed 150 ms for `--help`, and 300 ms for `jobs`; the best of ten is what counts on a shared machine. With
10,000 jobs, `jobs` may take as long as the answers do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.system.daemon import daemon_in  # noqa: E402  # found by the line above

LIMITS = {"--help": 0.150, "jobs": 0.300}
TIMES = 10


def took(*words: str, port: int) -> list[float]:
    """Seconds of each start, the shortest first."""
    env = {**os.environ, "JOBSCHED_URL": f"http://127.0.0.1:{port}"}
    found = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        subprocess.run(
            [Path(sys.executable).with_name("jobsched"), *words], env=env, stdout=subprocess.PIPE, check=True
        )
        found.append(time.perf_counter() - begin)
    return sorted(found)


def main(count: int) -> int:
    """Print a line for each command; 1 if one takes too long."""
    slow = False
    with tempfile.TemporaryDirectory() as folder, daemon_in(Path(folder) / "daemon") as daemon:
        daemon.start()
        client = HTTPConnection("127.0.0.1", daemon.port)
        for number in range(count):
            body = {"task": "runfoo", "id": f"batch-{number}", "interval": {"days": 1}}
            client.request("POST", "/jobs", json.dumps(body), {"Content-Type": "application/json"})
            client.getresponse().read()
        print(f"load {os.getloadavg()[0]:.1f}, {count} jobs; seconds: best, median, worst of {TIMES}")
        for words in (["--help"], ["jobs", "--limit", "100"], ["jobs"], ["jobs", "batch-77"], ["status"], ["runs"]):
            found = took(*words, port=daemon.port)
            limit = LIMITS.get(words[0]) if count <= 100 or (len(words) == 1 and words != ["jobs"]) else None
            print(f"{' '.join(words):<20} {found[0]:.3f} {found[TIMES // 2]:.3f} {found[-1]:.3f}  limit {limit}")
            slow |= limit is not None and found[0] > limit
    return int(slow)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
