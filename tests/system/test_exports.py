"""Jobs exported in each format by HTTP: they are read as what they were, and change nothing when they are sent back."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from jobsched import formats
from jobsched.config import catalog
from jobsched.config.commands import known_task
from tests.system.caller import showing, without_jobs

LINE = {"task": "showid", "cron": "30 2 * * 1-5", "timezone": "Europe/Berlin", "parameters": {"a": "50% of it's"}}
EVERY_FIELD = {
    "task": "showid", "name": "with: \U0001f600 all", "cron": "30 2 * * *", "start": "2020-01-01T00:00:00Z",
    "end": "2999-01-01T00:00:00.25Z", "max_runs": 7, "jitter": 1.5, "overlap": "queue", "misfire_grace": None,
    "catch_up": "all", "retries": 2, "retry_delay": 5, "timeout": 90, "parameters": {"token": "S3CRET", "a": True},
    "require": {"disk": "no"}, "placement": "every", "on_isolation": "keep", "max_late": 60,
    "must_succeed_every": 86400,
    "notify": {"on": ["failed"]}, "labels": {"team/x": "1.0"}, "description": "a\n\n\tb: c # d", "owner": "null",
}  # fmt: skip
TYPES = {"toml": "application/toml", "yaml": "application/yaml", "crontab": "text/crontab; charset=utf-8"}


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    with showing(tmp_path_factory.mktemp("exports")) as caller:
        yield caller


@pytest.fixture(autouse=True)
def empty(caller):
    yield
    without_jobs(caller)


@pytest.fixture(scope="module")
def tasks(caller):
    folder = caller.daemon.folder
    return [known_task(task) for task in catalog.load(folder / "conf/catalog.cfg", folder / "tasks").tasks.values()]


@pytest.mark.parametrize("kind", TYPES)
def test_an_export_is_read_as_what_it_was(caller, tasks, kind):
    wanted = {"b-line": LINE, "a-short": {"task": "showid", "cron": "@daily"}}
    if kind != "crontab":
        wanted |= {"c-all": EVERY_FIELD, "d-each": {"task": "showid", "interval": {"seconds": 0.5}}}
    made = {name: caller.ask("PUT", f"/jobs/{name}", job) for name, job in wanted.items()}
    assert {answer.status for answer in made.values()} == {201}
    asked = caller.ask("GET", f"/jobs?format={kind}")
    assert (asked.status, asked.headers["content-type"]) == (200, TYPES[kind])
    media_type = TYPES[kind].partition(";")[0]
    assert formats.media_type(asked.headers["content-type"]) == kind
    assert caller.ask("GET", "/jobs", accept=f"text/html, {media_type};q=0.9").content == asked.content
    assert "S3CRET" not in asked.text
    assert ("# withheld: /parameters/token" in asked.text) == (kind != "crontab")
    found = formats.read(kind, asked.content, tasks)
    assert [entry.job for entry in found.entries] == caller.ask("GET", "/jobs?as=request").json["values"]
    for entry in found.entries:
        put = caller.ask("PUT", f"/jobs/{entry.job['id']}", entry.job)
        assert (put.status, put.json["version"]) == (200, made[entry.job["id"]].json["version"]), put
    assert caller.ask("GET", f"/jobs?format={kind}").content == asked.content, "byte by byte"


def test_json_is_a_format_too(caller):
    caller.ask("PUT", "/jobs/a", LINE)
    asked = caller.ask("GET", "/jobs?format=json")
    assert asked.content == caller.ask("GET", "/jobs?as=request").content
    assert [entry.job["id"] for entry in formats.read("json", asked.content).entries] == ["a"]


@pytest.mark.parametrize("kind", TYPES)
def test_pages_behind_one_another_are_one_text(caller, tasks, kind):
    for name in ("c", "a", "b"):
        caller.ask("PUT", f"/jobs/{name}", LINE)
    text, url, pages = "", f"/jobs?format={kind}&limit=2", 0
    while url:
        page = caller.ask("GET", url)
        assert page.status == 200, page
        text, pages = text + page.text, pages + 1
        url = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert pages == 2
    assert text.count("# There is more: ") == 1
    assert [entry.job["id"] for entry in formats.read(kind, text, tasks).entries] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", TYPES)
def test_no_jobs_are_said_too(caller, kind):
    assert formats.read(kind, caller.ask("GET", f"/jobs?format={kind}").content).entries == ()


def test_a_crontab_refuses_what_it_cannot_say(caller):
    caller.ask("PUT", "/jobs/b-line", LINE)
    caller.ask("PUT", "/jobs/a-each", {"task": "showid", "interval": {"hours": 1}, "retries": 2})
    caller.ask("PUT", "/jobs/c-typed", LINE | {"parameters": {"a": 1}})
    asked = caller.ask("GET", "/jobs?format=crontab")
    assert asked.status == 409
    assert [fault["pointer"] for fault in asked.json["errors"]] == [
        "/a-each/interval", "/a-each/retries", "/a-each/cron", "/c-typed/parameters/a",
    ]  # fmt: skip
    assert caller.ask("GET", "/jobs?format=crontab&q=b-line").status == 200


@pytest.mark.parametrize("query", ["format=xml", "format=toml&sort=name", "format=yaml&fields=name", "format="])
def test_a_format_that_makes_no_sense(caller, query):
    assert caller.ask("GET", f"/jobs?{query}").status == 400


def test_the_catalog_knows_its_commands(caller, tasks):
    script = caller.daemon.folder / "tasks/showid.sh"
    program = next(task.argv[0] for task in tasks if task.name == "showid")
    assert Path(program).parent == script.parent
    [entry] = formats.read("crontab", f"@daily {program} a=b", tasks).entries
    assert entry.job == {"id": entry.job["id"], "task": "showid", "cron": "@daily", "parameters": {"a": "b"}}
    line = f"0 1 * * * {getpass.getuser()} showid"
    assert formats.read("system-crontab", line, tasks).entries[0].job["task"] == "showid"


def test_a_text_is_whole_without_a_limit(caller, tasks):
    for number in range(410):
        caller.ask("PUT", f"/jobs/n{number:03}", LINE)
    asked = caller.ask("GET", "/jobs?format=crontab")
    assert "link" not in asked.headers
    found = [entry.job["id"] for entry in formats.read("crontab", asked.content, tasks).entries]
    assert found == [f"n{number:03}" for number in range(410)]
    behind = caller.ask("GET", "/jobs?format=crontab&limit=205&after=" + quote_from(caller, 205))
    assert [entry.job["id"] for entry in formats.read("crontab", behind.content, tasks).entries] == found[205:]


def quote_from(caller, count):
    """The place behind so many jobs, as a query has it."""
    link = caller.ask("GET", f"/jobs?as=request&limit={count}").headers["link"]
    return link.partition("after=")[2].partition(">")[0].partition("&")[0]


def test_what_has_no_room_comes_with_the_next_text(caller, tasks):
    long = "x" * 60_000
    for number in range(80):  # 4.8 MB in all
        assert caller.ask("PUT", f"/jobs/n{number:02}", LINE | {"parameters": {"a": long}}).status in (200, 201)
    text, url, texts = "", "/jobs?format=toml", 0
    while url:
        asked = caller.ask("GET", url)
        assert len(asked.content) < 4.5 * 1024 * 1024
        text, texts = text + asked.text, texts + 1
        url = asked.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert texts == 2
    assert [entry.job["id"] for entry in formats.read("toml", text, tasks).entries] == [f"n{n:02}" for n in range(80)]
