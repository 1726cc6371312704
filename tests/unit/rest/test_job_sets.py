"""PUT /jobs as it is asked for and answered."""

import gc
import json
import re
from collections import Counter
from types import FrameType

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from jobsched import formats
from jobsched.http import jsontext
from jobsched.http.pages import AT_ONCE
from jobsched.model.job import JobView
from jobsched.registry.registry import Registry
from jobsched.rest import job_sets, set_readers
from jobsched.threads import CallerThread
from tests.unit.rest.conftest import ask

DATA = {"team": "data"}


@pytest.fixture(autouse=True)
def inline(monkeypatch):
    """What callers order off the reactor is done at once."""
    monkeypatch.setattr(CallerThread, "run", lambda _, work: maybeDeferred(work, lambda: None))


def job(job_id, **fields):
    return {"id": job_id, "task": "example", "interval": {"hours": 1}} | fields


def put(front, body, query="", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(front.site, "PUT", f"/jobs{query}", data, **headers)


def whats(answer):
    assert answer.status == 200, answer.body
    return {part["id"]: part["what"] for part in answer.json["values"]}


@pytest.fixture
def front(inline, front):
    return front


def test_a_set_is_made_changed_kept_and_pruned(front):
    made = put(front, {"jobs": [job("a"), job("b"), job("c", labels=DATA | {"x": "y"})]}, "?scope=team=data")
    assert made.json["counts"] == {"create": 3, "change": 0, "keep": 0, "delete": 0}
    assert [part["id"] for part in made.json["values"]] == ["a", "b", "c"]
    assert front.get("/jobs/a").json["labels"] == DATA, "it gets the label of the scope"
    front.job(id="by-hand", name="by hand")
    again = put(front, {"jobs": [job("a"), job("b", retries=2)]}, "?scope=team=data&prune=1")
    assert whats(again) == {"a": "keep", "b": "change", "c": "delete"}
    assert [part["place"] for part in again.json["values"]] == ["/jobs/0", "/jobs/1", None]
    b = again.json["values"][1]
    assert list(b) == ["id", "name", "what", "version", "before", "after", "due_before", "due_after", "place"]
    assert (b["before"], b["after"], b["version"]) == ({"retries": 0}, {"retries": 2}, 2)
    assert b["due_before"] == b["due_after"] == front.get("/jobs/b").json["next_due"]
    assert [each["id"] for each in front.get("/jobs?sort=name").json["values"]] == ["a", "b", "by-hand"]


def test_the_entries_of_a_set_have_a_group(front):
    group = put(front, {"jobs": [job("a"), job("b")]}).json["group"]
    found = front.get(f"/audit?group={group}").json["values"]
    assert sorted((each["action"], each["target"]) for each in found if each["target"]) == [
        ("job.create", "a"), ("job.create", "b"),
    ]  # fmt: skip
    whole = next(each for each in found if each["action"] == "jobs.put")
    assert whole["after"] == {"scope": None, "prune": False, "create": 2, "change": 0, "keep": 0, "delete": 0}
    again = put(front, {"jobs": [job("a"), job("b")]})
    assert (again.json["group"], whats(again)) == (None, {"a": "keep", "b": "keep"})
    assert len(front.get("/audit").json["values"]) == 3


def test_a_plan_changes_nothing_and_makes_the_order_safe(front):
    put(front, {"jobs": [job("a"), job("b")]}, "?scope=team=data")
    front.job(id="named", name="by hand")
    wanted, how = {"jobs": [job("a", interval={"minutes": 5}), job("c"), job("named")]}, "scope=team=data&prune=1"
    plan = put(front, wanted, f"?{how}&plan=1")
    assert whats(plan) == {"a": "change", "b": "delete", "c": "create", "named": "change"}
    a = plan.json["values"][0]
    assert a["due_before"] > a["due_after"]
    assert plan.json["group"] is None
    assert front.get("/jobs/c").status == 404
    tag = plan.headers["etag"]
    ask(front.site, "PATCH", "/jobs/named", b'{"retries":1}', content_type="application/merge-patch+json")
    assert put(front, wanted, f"?{how}", if_match=tag).status == 412, "a job that is named counts too"
    tag = put(front, wanted, f"?{how}&plan=1", if_match="*").headers["etag"]
    front.job(id="new", name="new", labels=DATA)
    assert put(front, wanted, f"?{how}", if_match=tag).status == 412
    assert put(front, wanted, f"?{how}&plan=1", if_match=tag).status == 412
    tag = put(front, wanted, f"?{how}&plan=1").headers["etag"]
    done = put(front, wanted, f"?{how}", if_match=tag)
    assert whats(done) == {"a": "change", "b": "delete", "c": "create", "named": "change", "new": "delete"}
    listed = front.get("/jobs?as=request&label=team=data")
    assert listed.headers["etag"] == done.headers["etag"]
    assert front.get("/jobs?as=request&label=team=data", if_none_match=done.headers["etag"]).status == 304
    assert put(front, wanted, f"?{how}", if_match=listed.headers["etag"]).status == 200
    assert "etag" not in front.get("/jobs?as=request&label=team=data&q=x").headers


def test_what_is_read_can_be_put(front):
    put(front, {"jobs": [job("a", name="an A", labels=DATA), job("b", retries=2)]})
    read = front.get("/jobs?as=request")
    assert whats(put(front, read.body)) == {"a": "keep", "b": "keep"}
    assert whats(put(front, {"jobs": json.loads(read.body)["values"]})) == {"a": "keep", "b": "keep"}


@pytest.mark.parametrize(
    ("body", "query", "pointers"),
    [
        ({}, "", ["/jobs"]),
        ({"jobs": [], "values": []}, "", ["/jobs"]),
        ({"jobs": {}}, "", [""]),
        ([], "", [""]),
        (b'{"jobs": [', "", [""]),
        (b'{"jobs": [], "jobs": []}', "", ["/jobs"]),
        (b'{"jobs": [{"id": "a", "id": "b", "task": "example", "cron": "@daily"}]}', "", ["/jobs/0/id"]),
        ({"job": [], "more": 1}, "", ["/job", "/more"]),
        ({"jobs": [job("a"), {"task": "example", "cron": "@daily"}, 7]}, "", ["/jobs/1/id", "/jobs/2"]),
        ({"jobs": [job("a", retries=-1), job("b"), job("c", x=1)]}, "", ["/jobs/0/retries", "/jobs/2/x"]),
        ({"values": [job("B"), job("a", labels={"A": "b"})]}, "", ["/values/0/id"]),
        ({"jobs": [job("b"), job("a", labels={"A": "b"})]}, "", ["/jobs/1/labels/A"]),
        ({"jobs": [job("a"), job("a")]}, "", ["/jobs/1/id"]),
        ({"jobs": [job("a", task="none"), job("b", cron="61 * * * *", interval=None)]}, "",
         ["/jobs/0/task", "/jobs/1/cron"]),
        ({"jobs": [job("a", parameters={"token": "***"}, task="example")]}, "", ["/jobs/0/parameters/token"]),
        ({"jobs": [job("a", labels={"team": "ops"}), job("b", labels={"team": "it"})]}, "?scope=team=data",
         ["/jobs/0/labels/team", "/jobs/1/labels/team"]),
        ({"jobs": [job("a")]}, "?scope=team", ["/jobs/0/labels/team"]),
        (b'{"jobs": [' + b"[]," * 1_000_000 + b"[]]}", "", [""]),
        ({"jobs": [job("a"), job("b", description="x" * 1_100_000)]}, "", ["/jobs/1"]),
        (b'{"jobs": [{"id": "a", "parameters": {"x": ' + b"[" * 9000 + b"]" * 9000 + b"}}]}", "", [""]),
        (b'{"jobs": [{"id": "a", "parameters": {"x": ' + b"[" * 200 + b"]" * 200 + b"}}]}", "",
         ["/jobs/0/task", "/jobs/0/parameters/x"]),
        ({f"no{number}": 1 for number in range(100_000)}, "", [""]),
        ({"jobs": []}, "?prune=1", ["?prune"]),
        ({"jobs": []}, "?scope=A=b", ["?scope"]),
        ({"jobs": []}, "?partial=1", ["?partial"]),
    ],
)  # fmt: skip
def test_what_is_not_understood_changes_nothing(front, body, query, pointers):
    answer = put(front, body, query)
    assert (answer.status, answer.problem[2]) == (400, pointers), answer.body
    assert front.get("/jobs").json["values"] == []


def test_another_content_type_is_refused(front):
    answer = put(front, {"jobs": []}, content_type="text/html")
    assert (answer.status, "application/json" in answer.problem[1], "text/crontab" in answer.problem[1]) == (
        400, True, True
    )  # fmt: skip
    assert put(front, {"jobs": []}, if_none_match="*").status == 400


CRONTAB = b"MAILTO=ops\n# id: tidy\n*/20 * * * * example\n"


UNITS = (
    b"# /etc/systemd/system/tidy.timer\n[Timer]\nOnCalendar=*-*-* *:00/20\n"
    b"# /etc/systemd/system/tidy.service\n[Service]\nExecStart=example\n"
)


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("text/crontab", CRONTAB),
        ("text/crontab; user=1", b"# id: tidy\n*/20 * * * * root example\n"),
        ("application/toml", b'[[jobs]]\nid = "tidy"\ntask = "example"\ncron = "*/20 * * * *"\n'),
        ("application/yaml", b"jobs:\n- {id: tidy, task: example, cron: '*/20 * * * *'}\n"),
        ("text/x-systemd-unit", UNITS),
    ],
)  # fmt: skip
def test_other_texts_are_sets_too(front, content_type, text):
    assert whats(put(front, text, "?scope=team=data", content_type=content_type)) == {"tidy": "create"}
    made = front.get("/jobs/tidy").json
    assert (made["task"], made["cron"], made["labels"]) == ("example", "*/20 * * * *", DATA)
    assert whats(put(front, text, "?scope=team=data", content_type=content_type)) == {"tidy": "keep"}


def test_what_is_left_aside_of_a_text_is_told(front):
    assert [note["place"] for note in put(front, CRONTAB, content_type="text/crontab").json["notes"]] == ["line 1"]
    assert put(front, {"jobs": [job("a")]}).json["notes"] == []


def test_no_text_becomes_a_program_and_faults_have_lines(front):
    text = b"# id: a\n0 3 * * * /bin/sh -c evil\n# id: b\n0 4 * * * example x=1 retries\n# id: c\n61 * * * * example\n"
    answer = put(front, text, content_type="text/crontab")
    assert (answer.status, {each.partition("/")[0].strip() for each in answer.problem[2]}) == (
        400, {"line 2", "line 4", "line 6"}
    )  # fmt: skip
    text = b"jobs:\n- {id: a, task: example, cron: '@daily', retries: -1}\n- {id: b, task: none, cron: '@daily'}\n"
    assert put(front, text, content_type="application/yaml").problem[2] == ["line 2 /retries"]
    assert put(front, text.replace(b"-1", b"1"), content_type="text/yaml").problem[2] == ["line 3 /task"]
    assert front.get("/jobs").json["values"] == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"jobs": [], "jobs": []}',
        b'{"jobs": [], "withheld": 1, "\\u006aobs": [1]}',
        b'{"withheld": "jobs", "withheld": 1, "jobs": []}',
        b'{"withheld": 12, "jobs": [], "withheld": 1}',
        b'{"withheld": 1e5, "withheld": 1, "jobs": []}',
        b'{"jobs": [], "jobs": [' + b"1," * 1_000_000 + b"1]}",
        b'{"jobs": [' + b"1," * 1_000_000 + b'1], "jobs": []}',
        b'{"jobs": ' + b" " * 1024 * 1024 + b"[]}",
    ],
)
def test_a_field_that_comes_twice_is_found_without_reading_it(front, body, monkeypatch):
    """Python's lock is kept while JSON is looked through."""
    looked: list[int] = []

    def look(text):
        looked.append(len(text))
        return jsontext.duplicate(text)

    monkeypatch.setattr(set_readers, "duplicate", look)
    assert put(front, body).status == 400
    assert max(looked, default=0) < 100


@pytest.mark.parametrize(
    "withheld",
    [b'"jobs"', b'"withheld"', b'{"a": 1, "a": 2}', b"[" + b'{"jobs": []},' * 100_000 + b"1]", b" \n [] "],
)
def test_what_was_withheld_is_not_looked_at(front, withheld):
    jobs = json.dumps([job("a")]).encode()
    for body in (
        b'{"withheld":%s,"values":%s}' % (withheld, jobs),
        b'{"jobs" :\t%s, "withheld": %s}' % (jobs, withheld),
    ):
        assert whats(put(front, body, "?plan=1")) == {"a": "create"}


def test_a_long_list_is_counted_before_it_is_taken_apart(front, monkeypatch):
    monkeypatch.setattr(set_readers, "MANY", 5)
    monkeypatch.setattr(set_readers, "each_of", None)
    body = b'{"values": [{}, {"a": [1,2,3,4,5]}, 7, 8]}'
    assert put(front, body).problem[2] == ["/values/2"]
    assert "at most 20,000 jobs" in put(front, b'{"jobs": [' + b"{}," * 20_000 + b"{}]}").body.decode()
    monkeypatch.undo()
    assert whats(put(front, {"jobs": [job("a")]})) == {"a": "create"}


@pytest.mark.parametrize(
    "body",
    [
        {"jobs": [{"id": "a", "é" * 100_000: 1}] * 5},
        {"jobs": [job("a", labels={"é" * 100_000: "1"})] * 5},
        {"é" * 100_000: []},
        {"é" * 1_000_000: []},
        {"jobs": [job("A" * 100_000)] * 5},
    ],
)
def test_a_refusal_repeats_little_of_what_was_sent(front, body):
    """The reactor writes it, and 31 names of a megabyte took it 0.2 seconds."""
    data = json.dumps(body, ensure_ascii=False).encode()
    answer = put(front, data)
    assert answer.status == 400
    assert len(answer.body) < 20_000


@pytest.mark.parametrize("name", ["~" * 1000, "a" + "/" * 1000])
def test_no_place_is_cut_within_an_escape(front, name):
    (pointer,) = put(front, {"jobs": [job("a") | {name: 1}]}).problem[2]
    assert pointer.endswith("...")
    assert re.fullmatch("(/([^~/]|~[01])*)+", pointer)


def test_a_very_long_name_is_not_repeated_by_the_decoder_either(front):
    assert "beside its fields" in put(front, {"x" * 2_000_000: []}).body.decode()


def test_few_tags_of_whole_sets_are_made_at_once(front, monkeypatch):
    """Each takes the reactor some time, and the versions of all jobs are read for it."""
    asked: list[Deferred[str]] = []

    def set_tag(*_):
        asked.append(Deferred())
        return asked[-1]

    monkeypatch.setattr(Registry, "set_tag", set_tag)
    wires = []
    for _ in range(5):
        channel, wire = front.site.buildProtocol(None), StringTransport()
        channel.makeConnection(wire)
        channel.dataReceived(b"GET /jobs?format=json HTTP/1.1\r\nHost: jobs.example\r\n\r\n")
        wires.append((channel, wire))
    assert len(asked) == AT_ONCE
    for tag in asked:  # grows meanwhile
        tag.callback("t")
    assert len(asked) == 5
    for channel, wire in wires:
        assert b'ETag: "t"' in wire.value()
        channel.connectionLost(Failure(ConnectionResetError()))


def test_no_jobs_are_kept_while_an_export_is_written(front, monkeypatch):
    """Python would look through all of them for circles, with the reactor kept waiting."""
    put(front, {"jobs": [job(f"export-{number}") for number in range(3)]})
    kept, write = list[str](), formats.write

    def written(*args):
        views = [each for each in gc.get_objects() if isinstance(each, JobView)]
        kept.extend(each.job.id for each in views if each.job.id.startswith("export-"))
        return write(*args)

    monkeypatch.setattr(formats, "write", written)
    assert front.get("/jobs?format=yaml").body.count(b"export-") == 3
    assert kept == []


def test_an_empty_set_deletes_what_has_the_label_alone(front):
    front.job(id="by-hand")
    put(front, {"jobs": [job("a"), job("b")]}, "?scope=team=data")
    assert whats(put(front, {"jobs": []}, "?scope=team=data&prune=1")) == {"a": "delete", "b": "delete"}
    assert [each["id"] for each in front.get("/jobs").json["values"]] == ["by-hand"]
    revived = put(front, {"jobs": [job("a")]}).json["values"][0]
    assert (revived["what"], revived["version"]) == ("create", 2)
    assert front.get("/jobs/a").json["version"] == 2


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[", "application/json"),
        ({"jobs": 3}, "application/json"),
        ({"jobs": [job("A"), job("a", retries=-1)]}, "application/json"),
        ({"jobs": [job("a", task="none"), job("b", cron="61 * * * *", interval=None)]}, "application/json"),
        (b"a: b: c", "application/yaml"),
        (b"jobs:\n- {id: a, retries: -1}", "application/yaml"),
        (b"61 * * * * example", "text/crontab"),
        (b"x", "text/x-systemd-unit"),
    ],
)
def test_a_set_that_is_refused_is_forgotten_at_once(front, body, content_type):
    """It may be large, and Python looks for circles seldom."""
    gc.collect()
    gc.disable()
    try:
        before = frames()
        assert put(front, body, content_type=content_type).status == 400
        assert frames() - before == Counter()
    finally:
        gc.enable()


def frames():
    """The functions whose frames are held, by whomever."""
    found = (each.f_code for each in gc.get_objects() if isinstance(each, FrameType))
    return Counter(f"{code.co_filename} {code.co_name}" for code in found if "/jobsched/" in code.co_filename)


def test_the_young_are_looked_through_while_a_set_is_put(front, monkeypatch):
    """Else what other requests leave is looked for at its end, all at once."""
    (*young, eldest), looks, seen = gc.get_threshold(), gc.isenabled(), []
    monkeypatch.setattr(job_sets, "once_each", lambda _: seen.append((gc.isenabled(), *gc.get_threshold())))
    put(front, {"jobs": [job("a")]})
    assert seen == [(looks, *young, job_sets.NEVER)]
    assert gc.get_threshold() == (*young, eldest)
