"""Values that nobody is shown: parameters with a secret name, and the password of the store."""

import contextlib
import json
from urllib.parse import quote

import pymysql
import pytest

from tests.servers import started
from tests.system.caller import Caller
from tests.system.daemon import until

HUNTER = "hunter22-and/more \u00e9"
PIN = 736251
OTHER = "a-new-password-1"
SECRET = {"password": HUNTER, "Pin": PIN, "target": "nas"}
SHOWN = {"password": "***", "Pin": "***", "target": "nas"}

TELL = '#!/bin/sh\necho "$JOBSCHED_PARAM_PASSWORD|$JOBSCHED_PARAM_PIN|$JOBSCHED_PARAM_TARGET" >&2\nexit 1\n'
ASYNC = """
from jobsched.task import Command
class Raises:
    async def __call__(self, info):
        raise ValueError(f"no {info.parameters['password']!r}")
class Odd:
    def command(self, info):
        return Command(["echo", info.parameters["Pin"]])
class Gone:
    def command(self, info):
        return Command([info.parameters["password"]])
"""


class Keeping(Caller):
    """Keeps all that was answered, headers and bodies."""

    def __init__(self, daemon):
        super().__init__(daemon)
        self.answers = []

    def ask(self, method, url, body=None, **headers):
        answer = super().ask(method, url, body, **headers)
        if not url.split("?")[0].endswith("/output"):  # what a script prints itself is shown as it is
            self.answers.append(f"{answer.headers} {answer.text}")
        return answer


@pytest.fixture
def ask(daemon):
    daemon.options("SECRET_PARAMETERS = ['PASSWORD', 'pin']")
    daemon.script("tell", TELL)
    daemon.section("parameters = password, Pin, target\n")
    (daemon.folder / "tasks" / "odd.py").write_text(ASYNC)
    for name in ("Raises", "Odd", "Gone"):
        daemon.section(f"[{name.lower()}]\nfile = odd.py\nclass = {name}\nparameters = password, Pin, target\n")
    daemon.start()
    return Keeping(daemon)


def nothing_told(ask, *secrets):
    """No answer and no line of the log has any of these, in whatever spelling."""
    for secret in secrets:
        for spelled in {str(secret), json.dumps(secret).strip('"'), repr(secret).strip("'"), quote(str(secret))}:
            assert [answer for answer in ask.answers if spelled in answer] == []
            assert spelled not in ask.daemon.log


def test_a_secret_reaches_the_task_and_nobody_else(ask):
    job = ask.make("tell", parameters=SECRET)
    for method, url in (("GET", job), ("POST", f"{job}/pause"), ("POST", f"{job}/resume"), ("PATCH", job)):
        shown = ask.ask(method, url, {"name": "changed"} if method == "PATCH" else None)
        assert (shown.status, shown.json["parameters"]) == (200, SHOWN)
    assert [each["parameters"] for each in ask.get("/jobs")["values"]] == [SHOWN]

    run = ask.run(job)
    ended = ask.ended(run)
    assert ended["reason"] == "exit code 1, last line: ***|***|nas"
    assert ask.text(f"{run}/output") == f"{HUNTER}|{PIN}|nas\n"
    assert ask.get(job)["last_run"]["reason"] == ended["reason"]
    assert ask.get("/runs")["values"][0]["reason"] == ended["reason"]
    until(lambda: f"jobsched.output: changed {ended['id']} | ***|***|nas\n" in ask.daemon.log)
    nothing_told(ask, HUNTER, PIN)


def test_what_was_shown_can_be_sent_back(ask):
    job = ask.make("tell", parameters=SECRET)
    shown = ask.get(job)["parameters"]
    assert ask.patch(job, parameters=shown | {"target": "disk"})["parameters"] == SHOWN | {"target": "disk"}
    run = ask.run(job)
    ask.ended(run)
    assert ask.text(f"{run}/output") == f"{HUNTER}|{PIN}|disk\n"

    assert ask.patch(job, parameters=shown | {"password": OTHER, "Pin": None})["parameters"] == {
        "password": "***", "target": "nas"
    }  # fmt: skip
    run = ask.run(job)
    ask.ended(run)
    assert ask.text(f"{run}/output") == f"{OTHER}||nas\n"
    before = ask.get(job)
    refused = ask.ask("PATCH", job, {"parameters": {"Pin": "***"}})
    assert refused.fault == (400, "/parameters/Pin")
    assert ask.get(job) == before
    nothing_told(ask, HUNTER, PIN, OTHER)


def test_a_secret_does_not_go_along_to_another_task(ask):
    job = ask.make("tell", parameters=SECRET)
    before = ask.get(job)
    for parameters in ({}, {"parameters": {"Pin": 1}}, {"parameters": {"password": "***", "Pin": "***"}}):
        refused = ask.ask("PATCH", job, {"task": "raises"} | parameters)
        assert refused.fault == (400, "/parameters/password")
    assert ask.get(job) == before
    assert ask.patch(job, task="tell", name="b")["parameters"] == SHOWN  # it is this one's already
    shown = ask.patch(job, task="raises", parameters={"password": OTHER, "Pin": None})
    assert (shown["task"], shown["parameters"]) == ("raises", {"password": "***", "target": "nas"})
    assert ask.patch(job, task="tell", parameters=None)["parameters"] == {}


def test_a_job_cannot_be_made_of_stars(ask):
    asked = {"task": "tell", "name": "a copy", "interval": {"hours": 1}, "parameters": SHOWN}
    refused = ask.ask("POST", "/jobs", asked)
    assert refused.fault == (400, "/parameters/password")
    assert "there is none" in refused.json["detail"]
    assert ask.get("/jobs")["values"] == []
    assert ask.ask("POST", "/jobs", asked | {"parameters": {"target": "***"}}).status == 202


@pytest.mark.parametrize("wrong", [
    {"parameters": SECRET | {"colour": HUNTER}},
    {"parameters": SECRET | {"target": [HUNTER]}},
    {"parameters": {"password": [HUNTER, PIN]}},
    {"parameters": {"password": {"a": HUNTER}}},
    {"parameters": {"password": HUNTER + "\0"}},
    {"parameters": {HUNTER: 1}},
    {"parameters": [HUNTER, PIN]},
    {"parameters": SECRET, "timeout": -1},
    {"parameters": SECRET, "interval": {"seconds": 0}},
    {"parameters": SECRET, "task": "nothing"},
])  # fmt: skip
def test_no_problem_repeats_a_value(ask, wrong):
    asked = {"task": "tell", "name": "x", "interval": {"hours": 1}}
    key = wrong["parameters"] == {HUNTER: 1}  # a name is no value, and is told
    job = ask.make("tell", parameters=SECRET)
    for method, url, body in (("POST", "/jobs", asked | wrong), ("PATCH", job, wrong)):
        assert ask.ask(method, url, body).status in {400, 404}
    spoiled = json.dumps(asked | {"parameters": SECRET})[:-3].encode()
    assert ask.ask("POST", "/jobs", spoiled).status == 400
    nothing_told(ask, PIN, *([] if key else [HUNTER]))


def test_what_goes_wrong_before_a_start_does_not_tell_it(ask):
    words = {
        "raises": "ValueError: no '***'",
        "odd": "could not start: TypeError: argv: must be text, not int",
        "gone": "could not start: ***: no such program",
    }
    for task, reason in words.items():
        ended = ask.ended(ask.run(ask.make(task, parameters=SECRET)))
        assert (ended["state"], ended["reason"]) == ("failed", reason)
    nothing_told(ask, HUNTER, PIN)


# The store.


KINDS = pytest.mark.parametrize("kind", ["postgresql", "mysql"])


def logged(daemon, *passwords):
    """No file and no stream of the daemon has any of these; its own configuration has."""
    texts = {path: path.read_text("utf-8", "replace") for path in daemon.folder.rglob("*") if path.is_file()}
    told = [path for path, text in texts.items() if any(word in text for word in passwords)]
    assert [path.name for path in told] == ["jobsched.cfg"]


@KINDS
@pytest.mark.parametrize("place", ["user", "query"])
def test_a_store_that_refuses_us_is_told_without_the_password(daemon, running, kind, place):
    server, name, password = running(kind), f"refused_{place}", "wrong-pass%40word"
    url = server.create_database(name)
    if place == "user":
        url = url.replace(server.password, password)
    elif kind == "postgresql":
        url = f"{server.scheme}://127.0.0.1:{server.port}/{name}?user=jobsched&password={password}"
    else:
        url = f"{server.scheme}://jobsched@127.0.0.1:{server.port}/{name}?password={password}"
    daemon.options(f"SCHED_CONFIG['store'] = {url!r}")

    status, said = daemon.run()
    assert (status, said.count("\n")) == (1, 1), said
    assert "cannot be opened: " in said
    assert "jobsched" in said
    logged(daemon, password, "wrong-pass@word")
    server.drop_database(name)


@KINDS
def test_a_store_that_shuts_us_out_is_told_without_the_password(daemon, kind):
    with contextlib.closing(started(kind)) as server:
        is_told_when_it_is_shut_out(daemon, server)


def is_told_when_it_is_shut_out(daemon, server):
    """By a server of its own, of which the password changes."""
    url = server.create_database("jobs")
    if server.kind == "postgresql":
        url = f"{server.scheme}://127.0.0.1:{server.port}/jobs?user=jobsched&password={server.password}"
    daemon.options(f"SCHED_CONFIG['store'] = {url!r}")
    daemon.start()
    ask = Keeping(daemon)
    job = ask.make("example", 0.5)
    ask.run_in(job, "succeeded")
    until(lambda: f"127.0.0.1:{server.port}/jobs" in daemon.log)
    locked_out(server)

    refused = until(lambda: (answer := ask.ask("GET", "/jobs")).status == 503 and answer)
    assert "the store cannot be used now" in refused.json["detail"]
    until(lambda: "no heartbeat of node" in daemon.log)
    assert daemon.stop() == 0
    logged(daemon, server.password)
    assert [answer for answer in ask.answers if server.password in answer] == []


def locked_out(server):
    """The password is another one from now on, and nobody is in any more."""
    if server.kind == "postgresql":
        server.execute("ALTER USER jobsched PASSWORD 'another'; "
                       "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'jobs'")  # fmt: skip
        return
    connection = pymysql.connect(host="127.0.0.1", port=server.port, user="jobsched", password=server.password)
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SET PASSWORD FOR jobsched@'%' = PASSWORD('another')")
        with contextlib.suppress(pymysql.Error):  # we are thrown out too
            cursor.execute("KILL USER jobsched")
