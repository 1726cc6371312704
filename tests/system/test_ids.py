"""Jobs under ids that their callers choose, from outside: made, replaced, revived, exported, asked for by name."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from jobsched.rest.exports import AS_REQUEST
from tests.system.caller import showing, without_jobs

BODY = {"task": "showid", "interval": {"hours": 1}}
LONG = "a" * 63
EVERY_FIELD = {
    "task": "showid", "name": "with all", "cron": "30 2 * * *", "timezone": "Europe/Berlin",
    "start": "2020-01-01T00:00:00Z", "end": "2999-01-01T00:00:00Z", "max_runs": 7, "jitter": 1.5, "overlap": "queue",
    "misfire_grace": None, "catch_up": "all", "retries": 2, "retry_delay": 5, "timeout": 90,
    "parameters": {"token": "S3CRET", "a": "b"}, "require": {"disk": "ssd"}, "placement": "every",
    "on_isolation": "keep", "max_late": 60,
    "must_succeed_every": 86400, "notify": {"on": ["failed"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    with showing(tmp_path_factory.mktemp("ids")) as caller:
        yield caller


@pytest.fixture(autouse=True)
def empty(caller):
    yield
    without_jobs(caller)


def actions(caller, job_id):
    found = caller.get(f"/audit?target={job_id}")["values"]
    return [(each["action"], each["job_id"] or each["target"]) for each in reversed(found)]


@pytest.mark.parametrize("word", ["nightly-report", LONG, "x", "a.b_c-9"])
def test_a_word_is_the_address_of_a_job_everywhere(caller, word):
    made = caller.ask("POST", "/jobs", BODY | {"id": word})
    assert (made.status, made.content) == (202, b"")
    path = urlsplit(made.headers["location"]).path
    assert path == f"/jobs/{word}"
    job = caller.get(path)
    assert (job["id"], job["name"], job["version"]) == (word, word, 1)
    run = caller.ask("POST", f"{path}/run", idempotency_key="once")
    ended = caller.ended(urlsplit(run.headers["location"]).path)
    assert caller.ask("POST", f"{path}/run", idempotency_key="once").headers["location"] == run.headers["location"]
    assert (ended["state"], ended["job_id"], ended["job_name"]) == ("succeeded", word, word)
    assert caller.text(f"/runs/{ended['id']}/output") == f"id is {word}\n"
    assert [each["id"] for each in caller.get(f"{path}/runs")["values"]] == [ended["id"]]
    assert [each["id"] for each in caller.get(f"/runs?job={word}")["values"]] == [ended["id"]]
    assert caller.get(f"{path}/deliveries")["values"] == []
    assert caller.patch(path, name="other")["version"] == 2
    assert [caller.ask("POST", f"{path}/{what}").status for what in ("pause", "resume")] == [200, 200]
    assert actions(caller, word) == [(each, word) for each in (
        "job.create", "run.start", "job.change", "job.pause", "job.resume")]  # fmt: skip
    assert caller.ask("DELETE", path).status == 200
    again = caller.ask("POST", "/jobs", BODY | {"id": word})
    assert again.status == 409
    assert urlsplit(again.headers["location"]).path == f"/jobs/{word}/runs"


@pytest.mark.parametrize(
    "word",
    ["", "a" * 64, "A", "9a", "-a", "a b", "a/b", "ä", "a\n", "~", 7, "f47ac10b-58cc-4372-a567-0e02b2c3d479"],
)
def test_what_is_no_word_is_refused_at_its_place(caller, word):
    assert caller.ask("POST", "/jobs", BODY | {"id": word}).fault == (400, "/id")


def test_an_id_that_is_taken_leads_to_its_job(caller):
    assert caller.ask("POST", "/jobs", BODY | {"id": "report"}).status == 202
    taken = caller.ask("POST", "/jobs", BODY | {"id": "report", "name": "other"})
    assert taken.fault == (409, "")
    assert urlsplit(taken.headers["location"]).path == "/jobs/report"
    assert "/jobs/report" in taken.json["detail"]
    assert caller.ask("POST", "/jobs", BODY).fault == (400, "/name")
    assert caller.ask("PUT", "/jobs/report", BODY | {"id": "other"}).fault == (400, "/id")
    assert caller.ask("PUT", "/jobs/Report", BODY).fault == (400, "")


def test_put_makes_replaces_and_leaves_as_it_is(caller):
    made = caller.ask("PUT", "/jobs/upsert", BODY | {"retries": 3}, if_none_match="*")
    assert (made.status, made.json["version"], made.json["retries"]) == (201, 1, 3)
    assert urlsplit(made.headers["location"]).path == "/jobs/upsert"
    assert caller.ask("PUT", "/jobs/upsert", BODY, if_none_match="*").status == 412
    assert caller.ask("PUT", "/jobs/upsert", BODY, if_none_match='"1"').status == 400
    same = caller.ask("PUT", "/jobs/upsert", BODY | {"retries": 3})
    assert (same.status, same.json, same.headers["etag"]) == (200, made.json, made.headers["etag"])
    changed = caller.ask("PUT", "/jobs/upsert", BODY, if_match=made.headers["etag"])
    assert (changed.status, changed.json["version"], changed.json["retries"]) == (200, 2, 0)
    assert changed.json["next_due"] == made.json["next_due"]
    assert caller.ask("PUT", "/jobs/upsert", BODY, if_match=made.headers["etag"]).status == 412
    assert caller.ask("PUT", "/jobs/nobody", BODY, if_match="*").status == 412
    assert caller.ask("PUT", "/jobs/upsert", BODY | {"task": "nothing"}).status == 404
    assert caller.ask("PUT", "/jobs/upsert", BODY | {"retries": -1}).fault == (400, "/retries")
    assert [each for each, _ in actions(caller, "upsert")][-2:] == ["job.create", "job.change"]


def test_a_deleted_id_is_revived(caller):
    first = caller.ask("PUT", "/jobs/phoenix", BODY).json
    run = caller.ended(caller.run("/jobs/phoenix"))
    assert caller.ask("DELETE", "/jobs/phoenix").status == 200
    revived = caller.ask("PUT", "/jobs/phoenix", BODY)
    assert revived.status == 201
    assert (revived.json["version"], revived.json["last_run"]["id"]) == (2, run["id"])
    assert revived.json["created"] > first["created"]
    assert revived.json["next_due"] > first["next_due"]


WRITES = [
    ("DELETE", "", None), ("POST", "/pause", None), ("POST", "/resume", None), ("POST", "/run", None),
    ("PATCH", "", {"retries": 1}), ("PUT", "", BODY | {"retries": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "path", "body"), WRITES, ids=lambda each: str(each)[:9])
def test_every_write_heeds_if_match(caller, verb, path, body):
    caller.ask("PUT", "/jobs/careful", BODY)
    caller.patch("/jobs/careful", retries=5)
    before = caller.get("/jobs/careful")
    for stale in (f'"{before["version"] - 1}"', 'W/"1"', '"other"'):
        assert caller.ask(verb, f"/jobs/careful{path}", body, if_match=stale).status == 412
    assert caller.get("/jobs/careful") == before
    assert caller.get("/jobs/careful/runs?state=waiting")["values"] == []
    fresh = caller.ask(verb, f"/jobs/careful{path}", body, if_match=f'"{before["version"]}"')
    assert fresh.status in (200, 202)


def test_what_cannot_heed_a_condition_refuses_it(caller):
    for verb, path, body in (("POST", "/jobs", BODY | {"id": "new"}), ("POST", "/catalog/reload", None)):
        assert caller.ask(verb, path, body, if_match='"1"').status == 400
    assert caller.ask("GET", "/jobs/new").status == 404


def test_what_is_read_can_be_written(caller):
    full = caller.ask("PUT", "/jobs/b-all", EVERY_FIELD)
    assert full.status == 201, full
    caller.ask("PUT", "/jobs/a-short", BODY)
    uuid = urlsplit(caller.ask("POST", "/jobs", BODY | {"name": "by uuid"}).headers["location"]).path.split("/")[-1]
    asked = caller.ask("GET", "/jobs?as=request")
    assert asked.headers["content-type"] == AS_REQUEST.decode()
    by_type = caller.ask("GET", "/jobs", accept="text/html, application/vnd.jobsched.jobs+json;q=0.9")
    assert by_type.content == asked.content
    shown = {each["id"]: each for each in asked.json["values"]}
    assert list(shown) == sorted(shown) == sorted([uuid, "a-short", "b-all"])
    assert shown["a-short"] == {"id": "a-short", "task": "showid", "interval": {"seconds": 3600}}
    assert shown["b-all"] == EVERY_FIELD | {"id": "b-all", "parameters": {"a": "b", "token": "***"}}
    assert asked.json["withheld"] == [{"id": "b-all", "pointers": ["/parameters/token"]}]
    assert "S3CRET" not in asked.text
    for each in asked.json["values"]:
        assert list(each) == sorted(each)
        put = caller.ask("PUT", f"/jobs/{each['id']}", each)
        assert (put.status, put.json["version"]) == (200, 1), put
    assert caller.ask("GET", "/jobs?as=request").content == asked.content, "byte by byte"
    for each in asked.json["values"]:
        caller.ask("DELETE", f"/jobs/{each['id']}")
        again = caller.ask("POST", "/jobs", each)
        assert again.status == (400 if each["id"] == "b-all" else 202), again  # the secret has to be given again
    given = shown["b-all"] | {"parameters": {"a": "b", "token": "S3CRET"}}
    assert caller.ask("POST", "/jobs", given).status == 202
    assert caller.ask("GET", "/jobs?as=request").content == asked.content


def test_requests_come_page_by_page(caller):
    for name in ("c", "a", "b"):
        caller.ask("PUT", f"/jobs/{name}", BODY)
    found, url = [], "/jobs?as=request&limit=2"
    while url:
        page = caller.ask("GET", url)
        found += [each["id"] for each in page.json["values"]]
        url = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert found == ["a", "b", "c"]


def test_the_list_goes_by_creation(caller):
    names = ["zebra", "ant", "middle", "beetle"]
    for name in names:
        caller.ask("PUT", f"/jobs/{name}", BODY)
    found, url = [], "/jobs?limit=1"
    while url:
        page = caller.ask("GET", url)
        found += [each["id"] for each in page.json["values"]]
        if len(found) == 2:
            caller.ask("DELETE", "/jobs/ant")
        url = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert found == names


def test_a_caller_may_prefer_to_see_what_was_made(caller):
    plain = caller.ask("POST", "/jobs", BODY | {"id": "plain"})
    assert (plain.status, plain.content, plain.headers["content-type"]) == (202, b"", "text/html; charset=utf-8")
    shown = caller.ask("POST", "/jobs", BODY | {"id": "shown"}, prefer="wait=9, return=representation; x")
    assert (shown.status, shown.headers["preference-applied"]) == (201, "return=representation")
    assert urlsplit(shown.headers["location"]).path == "/jobs/shown"
    assert shown.json == caller.get("/jobs/shown")
    assert caller.ask("GET", "/jobs/shown", if_none_match=shown.headers["etag"]).status == 304
    assert caller.ask("POST", "/jobs", BODY | {"id": "least"}, prefer="return=minimal").content == b""


def test_what_has_no_body_has_no_type(caller):
    caller.ask("PUT", "/jobs/empty", BODY)
    run = caller.ask("POST", "/jobs/empty/run")
    assert (run.status, run.headers["content-length"]) == (202, "0")
    assert "content-type" not in run.headers


def test_a_get_of_what_one_has_is_not_answered_whole(caller):
    caller.ask("PUT", "/jobs/known", BODY)
    first = caller.ask("GET", "/jobs/known")
    tag = first.headers["etag"]
    assert tag.startswith(f'"{first.json["version"]}.')
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        same = caller.ask("GET", "/jobs/known", if_none_match=known)
        assert (same.status, same.content, same.headers["etag"]) == (304, b"", tag)
    caller.ended(caller.run("/jobs/known"))  # which changes no version, and what is shown
    assert caller.ask("GET", "/jobs/known", if_none_match=tag).status == 200


def test_a_filter_takes_a_name_that_one_job_has(caller):
    for word, name in (("one", "the only"), ("two", "shared"), ("three", "shared")):
        caller.ask("PUT", f"/jobs/{word}", BODY | {"name": name})
    run = caller.ended(caller.run("/jobs/one"))
    for text in ("one", "the%20only"):
        assert [each["id"] for each in caller.get(f"/runs?job={text}")["values"]] == [run["id"]]
        assert actions(caller, text)[-1] == ("run.start", "one")
    for path in ("/runs?job=shared", "/audit?target=shared"):
        several = caller.ask("GET", path)
        assert several.fault == (409, "")
        assert several.json["candidates"] == ["two", "three"]
    assert caller.ask("GET", "/runs?job=nobody").status == 404
    assert caller.ask("GET", "/jobs/one/runs?job=one").fault == (400, "?job")
    assert json.dumps(caller.get("/jobs?name=shared")["values"]).count('"name": "shared"') == 2
