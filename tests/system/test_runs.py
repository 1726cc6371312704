"""Tasks of every kind, run on time by a real daemon; what they print; how they end."""

import re
import socket
import struct
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest
import pytest_twisted

from tests.system.caller import dues
from tests.system.daemon import GENEROUS, eventually, until

KINDS = """
import threading
from jobsched.watchdog import watchdog

class Here:
    def __call__(self, info):
        print("in", threading.current_thread().name, "for", info.name)

class Awaited:
    async def __call__(self, info):
        print("awaited for", info.name)

class Apart:
    @watchdog()
    def __call__(self, info):
        print("apart for", info.name)
        raise ValueError("on purpose")
"""
FOREVER = "#!/bin/sh\nsleep 600 &\necho begun\nsleep 600\n"


def instant(text):
    return datetime.fromisoformat(text)


def add_kinds(daemon):
    (daemon.folder / "tasks" / "kinds.py").write_text(KINDS)
    for name in ("Here", "Awaited", "Apart"):
        daemon.section(f"[{name.lower()}]\nfile = kinds.py\nclass = {name}\n")


@pytest_twisted.ensureDeferred
async def test_every_kind_of_task_runs_on_time_and_is_logged_and_kept(daemon):
    add_kinds(daemon)
    daemon.start()
    printed = {
        "runfoo": ("succeeded", r"foo: hello from a runfoo\nfoo: due \S+, and it is \S+\nfoo: done\n"),
        "example": ("succeeded", r"foo\n"),
        "here": ("succeeded", r"in \S+ for a here\n"),
        "awaited": ("succeeded", r"awaited for a awaited\n"),
        "apart": ("failed", r"apart for a apart\nTraceback (?s:.+)\nValueError: on purpose\n"),
    }
    jobs = {task: await daemon.schedule(task, 0.5, catch_up="all") for task in printed}

    for task, (state, text) in printed.items():
        job = await daemon.get(jobs[task])
        run = await daemon.run_in(jobs[task], "succeeded", "failed")
        assert (run["state"], run["task"], run["cause"], run["attempt"]) == (state, task, "schedule", 1)
        assert instant(run["due"]) == instant(job["created"]) + timedelta(seconds=0.5)
        assert timedelta(0) <= instant(run["started"]) - instant(run["due"]) < timedelta(seconds=GENEROUS)
        output = await daemon.text(f"/runs/{run['id']}/output")
        assert re.fullmatch(text, output)
        assert run["output"] == {"bytes": len(output), "kept": len(output), "truncated": False}
        for line in output.splitlines():
            until(partial(is_logged, daemon, f"jobsched.output: a {task} {run['id']} | {line}\n"))


@pytest_twisted.ensureDeferred
async def test_an_interval_keeps_to_its_grid(daemon):
    daemon.start()
    job = await daemon.schedule("example", 0.3)

    async def five():
        found = await daemon.runs(job, "succeeded")
        return found if len(found) >= 5 else None

    runs = await eventually(five)
    created, every = instant((await daemon.get(job))["created"]), timedelta(seconds=0.3)
    grid = dues(await daemon.runs(job), every)
    assert len(grid) >= len(runs)
    assert grid == [created + n * every for n in range(1, len(grid) + 1)]


@pytest_twisted.ensureDeferred
async def test_what_runs_too_long_is_ended_with_everything_it_started(daemon):
    daemon.script("forever", FOREVER)
    daemon.start()
    jobs = [await daemon.schedule("timeout", 3600), await daemon.schedule("timeout", 0.1, overlap="skip")]
    jobs.append(await daemon.schedule("forever", 0.1, timeout=0.7, overlap="skip"))

    for job, printed in ((jobs[1], "awwwww"), (jobs[2], "begun")):

        async def one_that_printed(job=job):
            """Its time may be over before it had the processor."""
            for run in await daemon.runs(job, "timed_out"):
                if output := await daemon.text(f"/runs/{run['id']}/output"):
                    return run, output
            return None

        run, output = await eventually(one_that_printed)
        assert 0.7 <= run["duration"] < GENEROUS
        assert run["reason"].startswith("ran longer than its ")
        assert output.startswith(f"{printed}\n")
        await daemon.ask("DELETE", job)
    until(lambda: not daemon.work)


@pytest_twisted.ensureDeferred
async def test_max_running_run_at_once_and_the_others_are_waiting(daemon):
    daemon.options("SCHED_CONFIG['max_running'] = 2")
    daemon.script("forever", FOREVER)
    daemon.start()
    jobs = [await daemon.schedule("forever", 0.1) for _ in range(4)]

    async def states():
        runs = [run for job in jobs for run in await daemon.runs(job, "running", "waiting")]
        begun = [run for run in runs if run["state"] == "running"]  # not before an executor is there
        return runs if len(runs) == 4 and len(begun) >= 2 else None

    runs = await eventually(states)
    assert sorted(run["state"] for run in runs) == ["running", "running", "waiting", "waiting"]
    assert all("max_running" in run["reason"] for run in runs if run["state"] == "waiting")
    until(lambda: sum(process.name() == "forever.sh" for process in daemon.work) == 2)


@pytest_twisted.ensureDeferred
async def test_a_script_that_cannot_start_fails_and_the_daemon_lives(daemon):
    daemon.script("gone", "#!/bin/sh\n")
    daemon.script("locked", "#!/bin/sh\n")
    daemon.script("odd", "#!/no/such/interpreter\n")
    daemon.start()
    (daemon.folder / "tasks" / "gone.sh").unlink()
    (daemon.folder / "tasks" / "locked.sh").chmod(0o644)
    jobs = [await daemon.schedule(task, 0.1) for task in ("gone", "locked", "odd")]

    for job in jobs:
        run = await daemon.run_in(job, "failed")
        assert run["reason"] != ""
    assert (await daemon.get("/catalog"))["tasks"][-3:] == ["gone", "locked", "odd"]


HANG_UPS = {
    "a reset": lambda client: client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
    "a close": lambda client: None,
    "a half close first": lambda client: client.shutdown(socket.SHUT_WR),
}


def is_logged(daemon, line):
    return line in daemon.log


def is_read(client):
    """Whether the daemon has read all that was sent: a reset would take it back."""
    mine, other = ("%08X:%04X" % (0x0100007F, name[1]) for name in (client.getsockname(), client.getpeername()))  # noqa: UP031
    for line in Path("/proc/net/tcp").read_text().splitlines():
        fields = line.split()
        if fields[1:3] == [other, mine]:
            return fields[4].endswith(":00000000")
    return False


@pytest.mark.parametrize("hang_up", HANG_UPS.values(), ids=HANG_UPS)
@pytest_twisted.ensureDeferred
async def test_a_client_gone_after_its_post_has_its_job_once(daemon, hang_up):
    daemon.start()
    body = b'{"task": "example", "name": "in a hurry", "interval": {"hours": 1}}'
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
    head = f"POST /jobs HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n\r\n"
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", daemon.port)) as client:
            client.sendall(head.encode() + body)
            until(partial(is_read, client))
            hang_up(client)

    async def stored():
        return len((await daemon.get("/jobs"))["values"]) >= 10

    await eventually(stored)
    last = await daemon.schedule("example", 3600)  # goes through the same queue, behind them
    jobs = (await daemon.get("/jobs"))["values"]
    assert [job["name"] for job in jobs] == ["in a hurry"] * 10 + ["a example"]
    assert last.endswith(jobs[-1]["id"])
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (f"Content-Length: {40 << 20}\r\n\r\n", b""),
        (f"Transfer-Encoding: chunked\r\n\r\n{40 << 20:x}\r\n", b"\r\n0\r\n\r\n"),
    ],
    ids=["of a known length", "in chunks"],
)
def test_a_body_over_1_mib_is_refused_and_the_answer_arrives(daemon, head, tail):
    daemon.start()
    before = psutil.Process(daemon.process.pid).memory_info().rss
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as client:
        client.sendall(f"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{head}".encode())
        for _ in range(40):
            client.sendall(bytes(1 << 20))
        client.sendall(tail)
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert b"\r\nContent-Type: application/problem+json\r\n" in answer
    assert psutil.Process(daemon.process.pid).memory_info().rss - before < 20 << 20


def test_a_client_that_asks_before_too_much_is_told_not_to_send(daemon):
    daemon.start()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as client:
        head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n"
        client.sendall(head + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert b"100 Continue" not in answer
