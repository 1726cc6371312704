"""A thousand slow and broken clients at once, while jobs run: nothing is late, and nothing is lost."""

import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil

from tests.system.caller import Caller, instant
from tests.system.daemon import until

CLIENTS = 1000
JOBS = 20
SECOND = timedelta(seconds=1)
LATEST = 15.0  # seconds, very generous: tests share the machine with others; bench/flood.py measures
FLOODER = Path(__file__).with_name("flooder.py")


def flooded(daemon, log):
    """What the clients had been answered when each kind of answer had been given at least once."""
    with log.open("wb") as out:
        crowd = subprocess.Popen([sys.executable, FLOODER, str(daemon.port), str(CLIENTS), "1"], stdout=out)
    try:

        def seen():
            assert crowd.poll() is None
            lines = log.read_text().rpartition("\n")[0].splitlines()
            counts = json.loads(lines[-1]) if lines else {}
            return {"400", "408", "414", "421", "431", "503"} <= counts.keys() and counts

        return until(seen, 180)
    finally:
        crowd.kill()
        crowd.wait()


def all_ended(ask, job):
    return all(run["ended"] for run in ask.runs(job))


def test_a_thousand_bad_clients_delay_no_run(daemon, tmp_path):
    daemon.script("quick", "#!/bin/sh\n")
    daemon.options("SCHED_CONFIG |= {'overlap': 'allow', 'catch_up': 'all'}")  # late shall be late, not missed
    daemon.start()
    ask = Caller(daemon)
    jobs = [ask.make("quick", 1) for _ in range(JOBS)]
    first = ask.run_in(jobs[-1], "succeeded")
    before = psutil.Process(daemon.process.pid).memory_info().rss
    counts = flooded(daemon, tmp_path / "counts")
    after = psutil.Process(daemon.process.pid).memory_info().rss
    until(daemon.answers)

    late = []
    for job in jobs:
        deleted = datetime.now(UTC)
        assert ask.ask("DELETE", job).status == 200
        runs = [run for run in ask.runs(job) if run["due"] > first["due"]]
        until(partial(all_ended, ask, job))
        dues = [instant(run["due"]) for run in runs]
        assert dues == [dues[0] + n * SECOND for n in range(len(dues))]
        others = [run for run in ask.runs(job) if run["state"] != "succeeded"]  # dues of the moment of the DELETE
        assert {run["reason"] for run in others} <= {"the job was deleted before it could start"}
        assert all((deleted - instant(run["due"])).total_seconds() < LATEST for run in others)
        late += [(instant(run["started"]) - instant(run["due"])).total_seconds() for run in runs if run["started"]]
    late.sort()
    p99 = late[math.ceil(0.99 * len(late)) - 1]
    print(f"{len(late)} runs under {counts}: p50 {late[len(late) // 2]:.3f} s, p99 {p99:.3f} s, max {late[-1]:.3f} s")

    assert len(late) > JOBS * 20
    assert p99 < LATEST
    assert after - before < 100 << 20
    assert "Traceback" not in daemon.log
    assert daemon.stop() == 0
