"""Whether what callers order holds up what must be prompt: a hundred previews that take long, and beside them a reload,
the end of a token, the end of a run, and the end of the daemon.

Measured twice: with callers who hang up once they have asked, and with callers who wait.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from daemon import PATIENCE, ROOT, Caller, Daemon, NotMeasured, instant, load, machine, running, verdict

PREVIEW = {
    "cron": "0 0 0 29 2 *",
    "timezone": "Africa/Casablanca",
    "jitter": 3155760000,  # 100 years
    "count": 1000,
}
CATALOG = """\
[sleeper]
file = runscript.py
class = RunScript
script = /bin/sleep
arguments = 60
"""
LATEST = 300  # seconds after which nobody waits any more


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--previews", type=int, default=100, help="at once (default: 100)")
    options = parser.parse_args()
    machine()
    for hang_up in (True, False):
        print(f"{options.previews} previews, whose callers {'hang up' if hang_up else 'wait'}; {load()}")
        with running(CATALOG) as daemon:
            measure(daemon, options.previews, hang_up)


def measure(daemon: Daemon, count: int, hang_up: bool) -> None:
    """All figures of one kind of callers."""
    admin, other = token(daemon, "admin", "admin"), token(daemon, "other", "read")
    with daemon.caller() as first:
        expect(200, first, "POST", "/catalog/reload")  # from now on a token is asked for
    with daemon.caller(admin) as caller:
        alone = timed(caller, "POST", "/preview", PREVIEW)
        job = post_job(caller, {"task": "sleeper", "name": "late", "interval": {"hours": 1}, "timeout": 1})
        print(f"  one preview, alone: {alone * 1000:.0f} ms")
        waiting = ask_for(daemon, admin, count, hang_up)
        _, headers, _ = caller.ask("POST", f"/jobs/{job}/run")
        verdict("a reload meanwhile", timed(caller, "POST", "/catalog/reload"), 0.5, "s")
        revoke(daemon, "other")
        begun = time.perf_counter()
        expect(200, caller, "POST", "/catalog/reload")
        with daemon.caller(other) as revoked:
            expect(401, revoked, "GET", "/catalog")
        verdict("a token is worth nothing any more", time.perf_counter() - begun, 0.5, "s")
        tell_end(caller, headers["location"].rpartition("/")[2])
        tell_answers(waiting)
        waiting = ask_for(daemon, admin, count, hang_up)
        tell_exit(daemon)


def ask_for(daemon: Daemon, secret: str, count: int, hang_up: bool) -> list[Caller]:
    """Ask for previews; the connections that are left."""
    callers = [daemon.caller(secret) for _ in range(count)]
    for caller in callers:
        caller.send("POST", "/preview", PREVIEW)
    if hang_up:
        time.sleep(0.05)  # or what was sent is thrown away with the connection
        for caller in callers:
            caller.__exit__()
    return [] if hang_up else callers


def tell_end(caller: Caller, run_id: str) -> None:
    """When the record had the end of a run that may take one second."""
    begun = time.monotonic()
    while time.monotonic() - begun < LATEST:
        status, _, body = caller.ask("GET", f"/runs/{run_id}?wait=5")
        run = {} if status != 200 else json.loads(body)
        if run.get("ended") is not None:
            late = (instant(run["started"]) - instant(run["due"])).total_seconds()
            took = (instant(run["ended"]) - instant(run["started"])).total_seconds()
            what = f"a run with a timeout of 1 s, begun {late:.2f} s after its due, is {run['state']} after"
            verdict(what, took, 1.5, "s")
            return
    raise NotMeasured(f"the run had not ended {LATEST} s later")


def tell_answers(waiting: list[Caller]) -> None:
    """What those who waited were told."""
    statuses = Counter(caller.answer("POST", "/preview")[0] for caller in waiting)
    if waiting:
        print(f"  the previews were answered with {dict(sorted(statuses.items()))}")


def tell_exit(daemon: Daemon) -> None:
    """How long a daemon takes from TERM to its end."""
    process: Any = daemon._process
    begun = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(LATEST)
    verdict("from TERM to the end of the daemon", time.perf_counter() - begun, 10, "s")


def expect(status: int, caller: Caller, verb: str, path: str, value: Any = None) -> tuple[int, dict[str, str], bytes]:
    """An answer with that status."""
    answer = caller.ask(verb, path, value)
    if answer[0] != status:
        raise NotMeasured(f"{verb} {path}: {answer[0]} {answer[2][:300]!r}")
    return answer


def timed(caller: Caller, verb: str, path: str, value: Any = None) -> float:
    """The seconds that a call takes which has to succeed."""
    begun = time.perf_counter()
    expect(200, caller, verb, path, value)
    return time.perf_counter() - begun


def post_job(caller: Caller, fields: dict[str, Any]) -> str:
    """Make a job; its id."""
    return expect(202, caller, "POST", "/jobs", fields)[1]["location"].rpartition("/")[2]


def token(daemon: Daemon, name: str, scope: str) -> str:
    """Write a token down; the token."""
    return command(daemon, name, "--scope", scope)


def revoke(daemon: Daemon, name: str) -> None:
    """Take it out of the file."""
    command(daemon, "--revoke", name)


def command(daemon: Daemon, *arguments: str) -> str:
    """What the command for tokens prints."""
    conf = str(Path(daemon.folder) / "conf")
    argv = [sys.executable, "-m", "jobsched.token", "--conf-dir", conf, *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.strip()


if __name__ == "__main__":
    main()
