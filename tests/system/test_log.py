"""The log: nobody writes into it what it does not say, and a stranger does not fill the disk with it."""

import http.client
import json
import sqlite3
import time
from contextlib import closing

import pytest

from jobsched.config import tokens
from tests.system.caller import Caller
from tests.system.daemon import until

FORGED = "2026-01-01 00:00:00,000 INFO    jobsched.audit: admin 127.0.0.1 catalog.reload -"
SAYS = f"""#!/bin/sh
printf 'harmless\\r{FORGED}\\n'
printf 'a\\0b\\n\\033[2J\\007'
printf '\\302\\233 \\342\\200\\250 \\342\\200\\256 \\357\\273\\277\\ttab\\n'
"""
PRINTED = f"harmless\r{FORGED}\na\0b\n\x1b[2J\x07\x9b \u2028 \u202e \ufeff\ttab\n".encode()
LINES = [
    rf"harmless\r{FORGED}",
    r"a\u0000b",
    "\\u001b[2J\\u0007\\u009b \\u2028 \\u202e \\ufeff\ttab",
]
OLD = "old\x9bname\u202e\u2028" + FORGED  # a name from before there was a rule


@pytest.fixture
def ask(daemon):
    daemon.script("says", SAYS)
    return Caller(daemon)


def renamed(ask, job, name):
    """What an older release may have left behind."""
    ask.daemon.stop()
    with closing(sqlite3.connect(ask.daemon.folder / "var" / "jobsched.sqlite")) as store:
        assert store.execute("UPDATE jobs SET name = ? WHERE id = ?", (name, job.rpartition("/")[2])).rowcount == 1
        store.commit()
    ask.daemon.start()


def test_the_first_line_says_where_to_look(ask):
    ask.daemon.start()
    ask.make("example", name="one")
    ask.daemon.stop()
    before = len(ask.daemon.log)
    ask.daemon.start()
    at = f"http://127.0.0.1:{ask.daemon.port}"
    lines = until(lambda: [line for line in ask.daemon.log[before:].splitlines() if "; the page: " in line])
    assert f" listens on {at}: 4 tasks, 1 job, store sqlite:///" in lines[0]
    assert lines[0].endswith(f"; the page: {at}/ui/")


def test_the_text_log_says_what_was_said_and_nothing_else(ask):
    ask.daemon.start()
    job = ask.make("says")
    run = ask.run(job)
    ask.ended(run)
    assert ask.ask("GET", f"{run}/output").content == PRINTED
    until(lambda: LINES[-1] in ask.daemon.log)

    refused = ask.ask("PATCH", job, {"name": OLD})
    assert refused.fault == (400, "/name")
    assert "holds U+009B, which is not printable" in refused.text
    renamed(ask, job, OLD)
    assert ask.get(job)["name"] == OLD
    assert ask.patch(job, retries=1)["name"] == OLD
    ask.ended(ask.run(job))
    assert ask.ask("PATCH", job, {"name": OLD + "!"}).fault == (400, "/name")
    ask.daemon.stop()

    log = (ask.daemon.folder / "log").read_bytes().decode()
    assert all(line.replace("\t", "").isprintable() for line in log.split("\n"))
    assert not [line for line in log.split("\n") if line.startswith(FORGED)]
    said = [line.partition(" | ")[2] for line in log.split("\n") if "jobsched.output: " in line]
    assert said == LINES * 2
    assert rf"jobsched.output: old\u009bname\u202e\u2028{FORGED} " in log


def test_each_line_of_the_json_log_is_json_and_says_the_same(ask):
    conf = ask.daemon.folder / "conf" / "logging.cfg"
    text = conf.read_text().replace("formatter = line", "formatter = json").replace("keys = line", "keys = line, json")
    conf.write_text(text)
    ask.daemon.start()
    job = ask.make("says")
    renamed(ask, job, OLD)
    run = ask.run(job)
    ask.ended(run)
    ask.daemon.stop()

    found = [json.loads(line) for line in ask.daemon.log.splitlines() if not line.startswith("jobsched")]
    said = [each["message"] for each in found if each["logger"] == "jobsched.output"]
    title = f"{OLD} {run.rpartition('/')[2]} | "
    assert "".join(each.removeprefix(title) + "\n" for each in said).encode() == PRINTED


def test_a_stranger_does_not_fill_the_disk_callers_have_lines(ask):
    secret = tokens.make()
    path = ask.daemon.folder / "conf" / tokens.FILE
    path.write_text(f"[alice]\nscopes = read\nhash = {tokens.hashed(secret.encode())}\n")
    path.chmod(0o600)
    ask.daemon.start()
    ask.daemon.stop()  # no line is left from the looks whether it answers
    begun = time.monotonic()  # the minute begins with the first of the looks
    ask.daemon.start()
    before = len(ask.daemon.log)

    client = http.client.HTTPConnection("127.0.0.1", ask.daemon.port)
    statuses = set()
    for number in range(1500):
        headers = {"Authorization": "Bearer jobsched_wrong"} if number % 2 else {}
        client.request("GET", f"/{'health?' if number % 3 else 'jobs/'}{'x' * 15_000}", headers=headers)
        answer = client.getresponse()
        answer.read()
        statuses.add(answer.status)
    client.close()
    assert statuses == {200, 401, 429}
    ask.always = {"Authorization": f"Bearer {secret}"}
    for _ in range(25):
        ask.get("/jobs?limit=7")

    until(lambda: ask.daemon.log[before:].count("GET /jobs?limit=7 200") == 25)
    if time.monotonic() - begun >= 60:
        pytest.skip("this machine is too busy: the minute of the limit is over before all was asked")
    written = [
        line for line in ask.daemon.log[before:].splitlines() if "limit=7" not in line and ": 127.0.0.1 " in line
    ]
    assert 5 <= len(written) <= 10  # looks whether it answers are among the ten
    assert max(map(len, written)) < 400
    assert sum("sent an unknown token" in line for line in written) >= 1
    ask.daemon.stop()
    [count] = [line for line in ask.daemon.log[before:].splitlines() if "more within 60 s" in line]
    assert "jobsched.access: 127.0.0.1 " in count
    told = dict(part.split(" x ") for part in count.partition(" s: ")[2].split(", "))
    assert set(told) == {"200", "401", "429"}
    assert 1480 <= sum(map(int, told.values())) <= 1500
