"""What answers take: no page is too large, nothing is left out by that, and however many ask, memory has a limit."""

import http.client
import json
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager

import pytest

from tests.system.caller import Caller
from tests.system.daemon import GENEROUS

MIB = 1024 * 1024
ECHO = '#!/bin/sh\nprintf "%s" "$JOBSCHED_PARAM_TEXT" | wc -c\n'
APART = """
from jobsched.watchdog import watchdog
class Apart:
    @watchdog()
    def __call__(self, info):
        print(len(info.parameters["text"]))
"""
MOST = 64 * 1024 - len('{"text":""}')  # bytes of one text


@pytest.fixture
def ask(daemon):
    daemon.script("echo", ECHO)
    daemon.section("parameters = text, more\n")
    (daemon.folder / "tasks" / "apart.py").write_text(APART)
    daemon.section("[apart]\nfile = apart.py\nclass = Apart\nparameters = text\n")
    return Caller(daemon)


@contextmanager
def store(ask):
    """What is in the store, to be left as an older release may have left it."""
    ask.daemon.stop()
    with closing(sqlite3.connect(ask.daemon.folder / "var" / "jobsched.sqlite")) as connection:
        yield connection
        connection.commit()
    ask.daemon.start()


@contextmanager
def growth(ask):
    """How many bytes more were resident at most while this lasted: filled in at its end."""
    process = f"/proc/{ask.daemon.process.pid}"
    with open(f"{process}/clear_refs", "w") as file:
        file.write("5")  # the peak is from now on
    before, grown = resident(process, "VmRSS"), list[int]()
    yield grown
    grown.append(resident(process, "VmHWM") - before)


def resident(process, what):
    with open(f"{process}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(what))


def pages(ask, url):
    """Every page of a list: its bytes and its records."""
    while url:
        answer = ask.ask("GET", url)
        assert answer.status == 200, answer
        assert answer.headers["content-length"] == str(len(answer.content))
        yield answer.content, answer.json["values"]
        link = answer.headers.get("link")
        url = link and link.partition("<")[2].partition(">")[0]


def at_once(ask, count, url, slow):
    """So many answers at once, read to their end; by clients that take nothing for a while, if they are `slow`."""
    sizes, gate = [], threading.Barrier(count + 1)

    def read():
        client = http.client.HTTPConnection("127.0.0.1", ask.daemon.port, timeout=GENEROUS)
        client.sock = socket.socket()
        client.sock.settimeout(GENEROUS)
        if slow:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.sock.connect(("127.0.0.1", ask.daemon.port))
        client.request("GET", url)
        answer = client.getresponse()
        gate.wait(GENEROUS)  # all have begun to be answered
        if slow:
            gate.wait(GENEROUS)
        body = answer.read()
        assert answer.status == 200
        json.loads(body)
        sizes.append(len(body))
        client.close()

    threads = [threading.Thread(target=read) for _ in range(count)]
    for thread in threads:
        thread.start()
    gate.wait(GENEROUS)
    if slow:
        assert ask.get("/health")["status"] == "ok"
        gate.wait(GENEROUS)
    for thread in threads:
        thread.join(GENEROUS)
    assert len(sizes) == count
    return sizes


def test_pages_have_an_end_and_eight_take_less_than_100_mib(ask):
    ask.daemon.start()
    [one, *_] = [ask.make("echo", name=f"job {n}", parameters={"text": "x"}, notify={"on": []}) for n in range(3)]
    # 400 jobs at the limit, and 120 of an older release that are beyond it; none is due.
    with store(ask) as rows:
        rows.execute("UPDATE jobs SET next_due = NULL")
        columns = [row[1] for row in rows.execute("PRAGMA table_info(jobs)") if row[1] not in {"id", "parameters"}]
        for count, letter, size in ((400, "a", MOST), (120, "b", 1_000_000)):
            rows.execute(
                f"INSERT INTO jobs (id, parameters, {', '.join(columns)}) "
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                f"SELECT '{letter}' || printf('%035d', i), "
                f"json_object('text', substr(hex(zeroblob({size})), 1, {size})), {', '.join(columns)} "
                "FROM jobs, n WHERE id = ?",
                [one.rpartition("/")[2]],
            )

    for warm in ("/jobs?limit=1", "/audit", "/runs"):
        ask.ask("GET", warm)
    found = []
    with growth(ask) as alone:
        for content, values in pages(ask, "/jobs?limit=1000"):
            assert len(content) <= 16 * MIB
            found += [(job["created"], job["id"]) for job in values]
    assert len(found) == len(set(found)) == 523
    assert found == sorted(found)
    for slow in (False, True):
        with growth(ask) as grown:
            sizes = at_once(ask, 8, f"/jobs?limit=1000&after=a{'0' * 34}1", slow)
        print(f"{slow=}: answers of {[size // MIB for size in sizes]} MiB, grown by {grown[0] / MIB:.0f} MiB")
        assert max(sizes) <= 16 * MIB
        assert grown[0] < 100 * MIB
    print(f"one after the other: grown by {alone[0] / MIB:.0f} MiB")

    # What is beyond the limit goes on, and is refused only when it is changed.
    old = f"/jobs/b{'0' * 34}1"
    assert ask.patch(old, retries=1)["retries"] == 1
    assert ask.ask("PATCH", old, {"parameters": {"more": 1}}).fault == (400, "/parameters")
    run = ask.run(old)
    assert "could not start" in ask.ended(run)["reason"]  # as it was before
    assert ask.patch(old, parameters={"text": "x"})["parameters"] == {"text": "x"}

    # The trail holds each of them twice.
    for job in range(2, 42):
        assert ask.ask("DELETE", f"/jobs/b{job:035}").status == 200
    with growth(ask) as grown:
        entries = [entry["id"] for content, values in pages(ask, "/audit?limit=1000") for entry in values]
        at_once(ask, 8, "/audit?limit=1000", False)
    assert len(entries) == len(set(entries)) >= 40
    assert grown[0] < 100 * MIB


@pytest.mark.parametrize("text", ["x", "é", "\U0001f600", '"'])
def test_the_largest_job_reaches_its_program_more_is_refused(ask, text):
    ask.daemon.start()
    count = MOST // len(json.dumps(text, ensure_ascii=False).encode()[1:-1])
    for task, length in (("echo", len(text.encode()) * count), ("apart", count)):
        job = ask.make(task, parameters={"text": text * count})
        run = ask.run(job)
        assert ask.ended(run)["state"] == "succeeded"
        assert int(ask.text(f"{run}/output")) == length
        assert ask.ask("PATCH", job, {"parameters": {"text": text * (count + 1)}}).fault == (400, "/parameters")
    asked = {"task": "echo", "name": "too much", "interval": {"hours": 1}, "parameters": {"text": text * (count + 1)}}
    assert ask.ask("POST", "/jobs", asked).fault == (400, "/parameters")
    assert len(ask.get("/jobs")["values"]) == 2
