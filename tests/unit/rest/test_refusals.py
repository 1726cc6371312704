"""What is refused, and how: status, problem, and where the fault lies."""

import json

import pytest

from jobsched.http.error_kinds import BY_STATUS, KINDS, OF_ERROR
from jobsched.http.faults import LOOKED_AT, faults
from jobsched.http.problems import TITLES, status_of
from jobsched.http.schemas.jobs import JobIn
from jobsched.model.errors import Slower
from tests.unit.rest.conftest import EXAMPLE, ask
from tests.unit.rest.test_openapi import ROUTES

CONTROL = "which is not printable"
TAG_NAME = "a tag's name is 1 to 64 printable characters"
TAG_VALUE = "a tag's value is 1 to 200 printable characters"
SPAN = "an interval is at least 0.1 seconds and at most 100 years"


def without(name):
    return {field: value for field, value in EXAMPLE.items() if field != name}


def raw(text):
    """The example with this as its interval's seconds, as it stands: what json.dumps would not write."""
    return json.dumps(EXAMPLE).replace('{"seconds": 1}', text).encode()


def every(**parts):
    return EXAMPLE | {"interval": parts}


@pytest.mark.parametrize(
    ("body", "pointers", "words"),
    [
        (b"", [""], "content type"),  # and no content type either
        (b"{", [""], "not JSON"),
        (b"nonsense", [""], "not JSON"),
        (json.dumps(EXAMPLE).encode() + b" {}", [""], "not JSON"),
        (b'{"task": "example",}', [""], "not JSON"),
        (b"'single'", [""], "not JSON"),
        (b"[" * 100_000, [""], ""),
        (b"[]", [""], "object"),
        (raw('{"seconds": 1e999}'), ["/interval/seconds"], "number out of range"),
        (raw('{"seconds": 1' + "0" * 5000 + "}"), ["/interval/seconds"], "out of range"),
        (b"null", [""], "object"),
        (b"true", [""], "object"),
        (b'"text"', [""], "object"),
        (b"1", [""], "object"),
        (without("task"), ["/task"], "is missing"),
        (without("name"), ["/name"], "is missing"),
        (without("interval"), ["/interval"], "exactly one of interval, cron and at"),
        (EXAMPLE | {"task": ""}, ["/task"], "is text of 1 to 200 characters"),
        (EXAMPLE | {"name": ""}, ["/name"], "is text of 1 to 200 characters"),
        (EXAMPLE | {"name": "x" * 201}, ["/name"], "is text of 1 to 200 characters"),
        (EXAMPLE | {"task": 1}, ["/task"], "task is text of"),
        (EXAMPLE | {"task": None}, ["/task"], "task is text of"),
        (EXAMPLE | {"name": True}, ["/name"], "name is text of"),
        (EXAMPLE | {"name": ["a"]}, ["/name"], "name is text of"),
        (EXAMPLE | {"name": "a\0b"}, ["/name"], CONTROL),
        (EXAMPLE | {"name": "a\nb"}, ["/name"], CONTROL),
        (EXAMPLE | {"name": "a\x1b[31m"}, ["/name"], CONTROL),
        (EXAMPLE | {"name": "a\x7f"}, ["/name"], CONTROL),
        (EXAMPLE | {"name": "a\u2028b"}, ["/name"], "holds U+2028, which is not printable"),
        (EXAMPLE | {"name": "a\u202eb"}, ["/name"], "holds U+202E, which is not printable"),
        (EXAMPLE | {"name": "\ufeffa"}, ["/name"], "holds U+FEFF, which is not printable"),
        (EXAMPLE | {"name": "a\x9bb"}, ["/name"], "holds U+009B, which is not printable"),
        (EXAMPLE | {"task": "exa\u200bmple"}, ["/task"], "holds U+200B, which is not printable"),
        (EXAMPLE | {"task": "exa\rmple"}, ["/task"], CONTROL),
        (EXAMPLE | {"parameters": {"a": "x" * 65_529}}, ["/parameters"], "hold 65537 bytes of JSON together, and may"),
        (EXAMPLE | {"parameters": {"a": "\u00e9" * 32_765}}, ["/parameters"], "hold 65538 bytes of JSON together"),
        (EXAMPLE | {"parameters": {f"a{n}": n for n in range(9000)}}, ["/parameters"], "bytes of JSON together"),
        (EXAMPLE | {"parameters": {"a": "x" * 65_528}}, ["/parameters/a"], "takes no such parameter"),  # just fits
        (b'{"task": "example", "name": "\\ud800", "interval": {"seconds": 1}}', [""], "not JSON"),
        (b'{"task": "example", "name": "\\udc00\\ud800", "interval": {"seconds": 1}}', [""], "not JSON"),
        (b'{"task": "example", "name": "\xff", "interval": {"seconds": 1}}', [""], "not JSON"),
        (b'{"task": "example", "name": "\xed\xa0\x80", "interval": {"seconds": 1}}', [""], ""),
        (b"\xef\xbb\xbf" + json.dumps(EXAMPLE).encode(), [""], "not JSON"),
        (json.dumps(EXAMPLE).encode("utf-16"), [""], "not JSON"),
        (EXAMPLE | {"colour": "red"}, ["/colour"], "is not known here"),
        (EXAMPLE | {"a/b~c": 1}, ["/a~1b~0c"], "is not known here"),
        (EXAMPLE | {"Interval": {}}, ["/Interval"], "is not known here"),
        (EXAMPLE | {"cron": "* * * * *"}, ["/cron"], "exactly one of interval, cron and at"),
        (EXAMPLE | {"interval": None}, ["/interval"], "exactly one"),
        (EXAMPLE | {"interval": 1}, ["/interval"], 'interval is an object such as {"minutes": 5}'),
        (EXAMPLE | {"interval": "1 s"}, ["/interval"], 'interval is an object such as {"minutes": 5}'),
        (EXAMPLE | {"interval": [1]}, ["/interval"], 'interval is an object such as {"minutes": 5}'),
        (every(), ["/interval"], SPAN),
        (every(years=1), ["/interval/years"], "is not known here"),
        (every(Seconds=1), ["/interval/Seconds"], "is not known here"),
        (every(seconds=0), ["/interval/seconds"], SPAN),
        (every(seconds=0.0999), ["/interval/seconds"], SPAN),
        (every(seconds=0, minutes=0), ["/interval"], SPAN),
        (every(seconds=-1), ["/interval/seconds"], "seconds is a number of at least 0"),
        (every(hours=1, seconds=-1), ["/interval/seconds"], "seconds is a number of at least 0"),
        (every(seconds=True), ["/interval/seconds"], "is a number of at least 0"),
        (every(minutes=False), ["/interval/minutes"], "is a number of at least 0"),
        (every(seconds="1"), ["/interval/seconds"], "is a number of at least 0"),
        (every(seconds=None), ["/interval/seconds"], "is a number of at least 0"),
        (every(seconds=[1]), ["/interval/seconds"], "is a number of at least 0"),
        (every(weeks={}), ["/interval/weeks"], "is a number of at least 0"),
        (every(days=36526), ["/interval/days"], SPAN),
        (every(seconds=1e308), ["/interval/seconds"], SPAN),
        (every(seconds=1e308, minutes=1e308), ["/interval"], SPAN),
        (every(weeks=10**18), ["/interval/weeks"], SPAN),
        (every(weeks=10**400), ["/interval/weeks"], ""),
        (raw('{"seconds": 1e400}'), None, ""),
        (raw('{"seconds": -1e400}'), None, ""),
        (raw('{"seconds": NaN}'), [""], "not JSON"),
        (raw('{"seconds": Infinity}'), [""], "not JSON"),
        (raw('{"seconds": -Infinity}'), [""], "not JSON"),
        (raw('{"seconds": 0x10}'), [""], "not JSON"),
        (raw('{"seconds": 01}'), [""], "not JSON"),
        (EXAMPLE | {"timeout": 0}, ["/timeout"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"timeout": -1}, ["/timeout"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"timeout": True}, ["/timeout"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"timeout": "60"}, ["/timeout"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"timeout": 1e300}, ["/timeout"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"misfire_grace": -1}, ["/misfire_grace"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"misfire_grace": 0}, ["/misfire_grace"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"misfire_grace": "1"}, ["/misfire_grace"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"misfire_grace": 1e12}, ["/misfire_grace"], "is a number above 0 and at most 3,155,760,000"),
        (EXAMPLE | {"overlap": "sometimes"}, ["/overlap"], 'overlap is one of "allow", "queue", "replace" and "skip"'),
        (EXAMPLE | {"catch_up": None}, ["/catch_up"], "catch_up is one of"),
        (
            EXAMPLE | {"max_runs": 0},
            ["/max_runs"],
            "is a whole number of at least 1 and at most 2,147,483,647",
        ),
        (
            EXAMPLE | {"max_runs": 1.5},
            ["/max_runs"],
            "is a whole number of at least 1 and at most 2,147,483,647",
        ),
        (
            EXAMPLE | {"max_runs": 2**31},
            ["/max_runs"],
            "is a whole number of at least 1 and at most 2,147,483,647",
        ),
        (EXAMPLE | {"retries": 10**30}, ["/retries"], ""),
        (EXAMPLE | {"timezone": "Mars/Olympus"}, ["/timezone"], ""),
        (EXAMPLE | {"timezone": "../../etc/passwd"}, ["/timezone"], ""),
        (EXAMPLE | {"timezone": "a\0b"}, ["/timezone"], ""),
        (EXAMPLE | {"timezone": "\ud800"}, [""], "not JSON"),
        (EXAMPLE | {"start": "tomorrow"}, ["/start"], ""),
        (EXAMPLE | {"start": "2030-01-01T00:00:00"}, ["/start"], ""),
        (EXAMPLE | {"start": 1_000_000}, ["/start"], ""),
        (EXAMPLE | {"start": "9999-12-31T23:59:59-01:00"}, ["/start"], "years"),
        (EXAMPLE | {"start": "2030-01-02T00:00:00Z", "end": "2030-01-01T00:00:00Z"}, ["/end"], "before start"),
        (EXAMPLE | {"end": "2001-01-01T00:00:00Z"}, ["/end"], ""),
        (EXAMPLE | {"parameters": []}, ["/parameters"], "parameters is an object such as {"),
        (EXAMPLE | {"parameters": {"colour": "red"}}, ["/parameters/colour"], "takes no such parameter"),
        (EXAMPLE | {"parameters": {"colour": None}}, ["/parameters/colour"], "is text or true or false"),
        (EXAMPLE | {"parameters": {"colour": {}}}, ["/parameters/colour"], "is text or true or false"),
        (EXAMPLE | {"placement": "some"}, ["/placement"], 'placement is one of "any" and "every"'),
        (EXAMPLE | {"placement": None}, ["/placement"], "placement is one of"),
        (EXAMPLE | {"require": None}, ["/require"], 'require is an object such as {"disk": "fast"}'),
        (EXAMPLE | {"require": ["disk"]}, ["/require"], 'require is an object such as {"disk": "fast"}'),
        (EXAMPLE | {"require": {"disk": 1}}, ["/require/disk"], "disk is text"),
        (EXAMPLE | {"require": {"disk": None}}, ["/require/disk"], "disk is text"),
        (EXAMPLE | {"require": {"a/b": ""}}, ["/require/a~1b"], TAG_VALUE),
        (EXAMPLE | {"require": {"disk": "x" * 201}}, ["/require/disk"], TAG_VALUE),
        (EXAMPLE | {"require": {"disk": "a\nb"}}, ["/require/disk"], TAG_VALUE),
        (EXAMPLE | {"require": {"disk": "\u202e"}}, ["/require/disk"], TAG_VALUE),
        (EXAMPLE | {"require": {"": "x"}}, ["/require/"], TAG_NAME),
        (EXAMPLE | {"require": {"x" * 65: "x"}}, ["/require/" + "x" * 65], TAG_NAME),
        (EXAMPLE | {"require": {"a\0": "x"}}, ["/require/a\0"], TAG_NAME),
        (EXAMPLE | {"require": {str(number): "x" for number in range(33)}}, ["/require"], "more than 32 tags"),
    ],
    ids=lambda value: repr(value)[:60] if not isinstance(value, list) else "-".join(value),
)
def test_a_malformed_job_is_a_problem_that_points_at_the_fault(unchanged, body, pointers, words):
    answer = unchanged.post(body)
    status, detail, pointed = answer.problem

    assert status == 400
    assert words in detail
    assert pointers is None or pointed == pointers
    assert unchanged.get("/jobs").json == {"values": []}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"task": "example", "nam": "x", "interval": 5, "retries": -1, "overlap": "que"},
            {
                "/nam": 'nam is not known here; did you mean "name"?',
                "/interval": 'interval is an object such as {"minutes": 5}',
                "/retries": "retries is a whole number of at least 0 and at most 100",
                "/overlap": 'overlap is one of "allow", "queue", "replace" and "skip"; did you mean "queue"?',
            },
        ),
        (
            EXAMPLE | {"interval": {"minute": 5, "hours": "x"}, "notify": {"on": ["failed", "mised"]}},
            {
                "/interval/minute": 'minute is not known here; did you mean "minutes"?',
                "/interval/hours": "hours is a number of at least 0",
                "/notify/on/1": '; did you mean "missed"?',
            },
        ),
        (
            EXAMPLE | {"name": "a\0", "start": "tomorrow", "end": "2030-01-01", "interval": {"seconds": 0}},
            {"/name": CONTROL, "/interval/seconds": SPAN, "/start": "as 2030-01-31T12:00:00", "/end": "no instant"},
        ),
        (
            {"task": "example", "name": "x", "cron": "61 * * * *", "timezone": "Europe/Berlim"},
            {"/timezone": 'did you mean "Europe/Berlin"?', "/cron": ""},
        ),
        (EXAMPLE | {"at": 5, "start": []}, dict.fromkeys(("/at", "/start"), "is an instant such as")),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told_at_once(unchanged, body, told):
    answer = unchanged.post(body)

    status, detail, _ = answer.problem
    found = {fault["pointer"]: fault["detail"] for fault in answer.json["errors"]}
    assert (status, found.keys()) == (400, told.keys())
    for pointer, words in told.items():
        assert words in found[pointer]
    assert detail == "; ".join(found.values())
    assert answer.json["type"] == "/errors#invalid"


def test_of_a_thousand_faults_twenty_are_told(unchanged):
    assert len(unchanged.post(EXAMPLE | {f"no{number}": 1 for number in range(1000)}).json["errors"]) == 20


class Looked(list[str]):
    """A list that counts how many of its items are looked at."""

    looks = 0

    def __iter__(self):
        for item in super().__iter__():
            Looked.looks += 1
            yield item


def test_of_a_long_list_not_all_is_looked_at():
    """Else half a million wrong items would keep everybody waiting for seconds."""
    for items in (["no"] * 5000, ["failed"] * 5000 + ["no"]):
        Looked.looks = 0
        assert 0 < len(faults({"task": "t", "notify": {"on": Looked(items)}}, JobIn)) <= 20
        assert Looked.looks <= LOOKED_AT + 1


def test_a_patch_and_a_query_are_told_of_everything_too(front):
    patched = ask(front.site, "PATCH", front.job(), b'{"retrys": 1, "timeout": "long"}')
    assert patched.problem[2] == ["/retrys", "/timeout"]
    assert 'did you mean "retries"?' in patched.json["detail"]

    asked = front.get("/jobs?limits=1&state=pausd")
    assert asked.problem[2] == ["?limits", "?state"]
    assert 'did you mean "limit"?; state is one of "ended", "paused" and "scheduled"; did' in asked.json["detail"]


def test_a_task_that_is_nearly_there_is_proposed(unchanged):
    assert unchanged.post(EXAMPLE | {"task": "exmaple"}).problem[1] == (
        "there is no task 'exmaple' in the catalog; did you mean \"example\"?"
    )


def test_every_kind_of_problem_is_explained(unchanged):
    page = unchanged.get("/errors")
    assert page.headers["content-type"] == "text/plain; charset=utf-8"
    for error, kind in OF_ERROR.items():
        assert KINDS[kind].status == status_of(error("x", 1) if error is Slower else error("x"))
        assert f"\n{kind} ({KINDS[kind].status})\n" in "\n" + page.body.decode()
    assert set(OF_ERROR.values()) | set(BY_STATUS.values()) == set(KINDS)
    assert set(BY_STATUS) == set(TITLES)
    assert unchanged.get("/nothing").json["type"] == "/errors#not-found"
    assert ask(unchanged.site, "PUT", "/health").json["type"] == "/errors#wrong-method"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
     "application/jsonx", "application/json-patch+json", "json", "\xff"],
)  # fmt: skip
def test_only_json_is_read(unchanged, content_type):
    status, detail, _ = unchanged.post(EXAMPLE, content_type=content_type).problem

    assert (status, detail) == (400, "the content type must be application/json")
    assert unchanged.get("/jobs").json == {"values": []}


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json ;x"])
def test_json_is_json_however_it_is_spelt(front, content_type):
    assert front.post(EXAMPLE, content_type=content_type).status == 202


@pytest.mark.parametrize("task", ["no-such-task", "EXAMPLE", "example ", "a'b", "{}", "%s", "ta\u00a0sk", "x" * 200])
def test_an_unknown_task_is_404(unchanged, task):
    status, detail, _ = unchanged.post(EXAMPLE | {"task": task}).problem

    assert status == 404
    assert "in the catalog" in detail


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/jobs?limit=0", "?limit"),
        ("/jobs?limit=-1", "?limit"),
        ("/jobs?limit=1001", "?limit"),
        ("/jobs?limit=x", "?limit"),
        ("/jobs?limit=1.5", "?limit"),
        ("/jobs?limit=", "?limit"),
        ("/jobs?limit=1&limit=2", "?limit"),
        ("/jobs?limit=%ff", "?limit"),
        ("/jobs?limits=1", "?limits"),
        ("/jobs?%ff=1", "?\ufffd"),
        ("/jobs?", None),
        ("/jobs?limit=1", None),
        ("/jobs?limit=1000", None),
        ("/jobs?after=nothing-of-ours", None),
    ],
)
def test_a_query_is_held_to_what_is_known(unchanged, path, pointer):
    answer = unchanged.get(path)

    if pointer is None:
        assert answer.json == {"values": []}
    else:
        assert answer.problem[::2] == (400, [pointer])


def test_a_grace_below_a_microsecond_is_one_that_a_patch_takes(front):
    job = front.job(misfire_grace=2.2e-311)

    assert front.get(job).json["misfire_grace"] == 1e-06
    assert ask(front.site, "PATCH", job, b"{}").status == 200


def test_a_query_is_refused_where_none_is_known(front):
    """Who writes `?plan=1` behind a call that has no plan wants to change nothing."""
    job = front.job()
    refused = set()
    for route in ROUTES:
        if route.scope != "open":
            path = route.path.replace("<job_id>", job.rpartition("/")[2])
            answer = ask(front.site, route.verb, f"{path}?plan_it=1", b"{}" if route.takes else b"")
            if route.asks is None:
                assert answer.problem[:2] == (400, "plan_it is not known here"), path
                refused.add((route.verb, route.path))
    assert {("POST", "/jobs"), ("PUT", "/jobs/<job_id>"), ("PATCH", "/jobs/<job_id>")} <= refused
    assert front.get(job).json["version"] == 1


@pytest.mark.parametrize("path", ["/health?t=1", "/errors?t=1", "/?t=1"])
def test_a_probe_may_have_a_query_all_the_same(front, path):
    assert front.get(path).status == 200
