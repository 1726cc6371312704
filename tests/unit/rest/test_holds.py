"""/hold: one at a time, under its ETag, in words that a person can act on."""

import json

import pytest

from tests.unit.rest.conftest import ask

UNTIL = "2012-08-13T05:00:00Z"
BODY = {"reason": "an upgrade", "until": UNTIL, "select": {"names": ["batch-*"]}, "missed": "catch_up"}
SHOWN = {
    "by": None, "at": "2012-08-13T02:00:00Z", "until": UNTIL, "reason": "an upgrade",
    "select": {"names": ["batch-*"]}, "missed": "catch_up", "waiting": "hold",
}  # fmt: skip
WORDS = f"on hold until {UNTIL}: an upgrade"


def put(front, body, **headers):
    return ask(front.site, "PUT", "/hold", json.dumps(body).encode(), **headers)


def test_it_is_made_shown_changed_and_ended(front):
    assert front.get("/hold").problem[:2] == (404, "nothing is on hold")
    made = put(front, BODY)
    assert (made.status, made.json) == (201, SHOWN)
    seen = front.get("/hold")
    assert (seen.json, seen.headers["etag"]) == (SHOWN, made.headers["etag"])
    assert front.get("/hold", if_none_match=seen.headers["etag"]).status == 304
    changed = put(front, {}, if_match=seen.headers["etag"])
    assert (changed.status, changed.json) == (200, SHOWN | {
        "until": None, "reason": None, "select": None, "missed": "skip"
    })  # fmt: skip
    assert ask(front.site, "DELETE", "/hold", if_match=seen.headers["etag"]).status == 412
    ended = ask(front.site, "DELETE", "/hold", if_match=changed.headers["etag"])
    assert (ended.status, ended.body) == (200, b"")
    assert front.get("/hold").status == ask(front.site, "DELETE", "/hold").status == 404


def test_a_second_one_is_refused_and_names_the_first(front):
    put(front, BODY)
    assert put(front, {}).problem[:2] == (409, f"{WORDS}; with If-Match that can be changed")
    assert put(front, {}, if_match='"9"').status == 412
    assert put(front, {}, if_match="*").status == 200


def test_one_is_made_only_where_there_is_none(front):
    made = put(front, BODY, if_none_match="*")
    assert (made.status, made.headers["location"].rpartition("/")[2]) == (201, "hold")
    assert put(front, {}, if_none_match="*").status == put(front, {}, if_none_match="*", if_match="*").status == 412
    assert put(front, {}, if_none_match='"1"').status == 400
    assert front.get("/hold").json == SHOWN


def test_all_that_is_wrong_is_said_at_once(front):
    wrong = {"until": "soon", "reason": "a\tb", "select": {"names": ["a\nb"]}}
    assert put(front, wrong).problem[2] == ["/reason", "/until", "/select/names/0"]


@pytest.mark.parametrize("tag", ['"1"', "*"])
def test_what_is_not_there_is_not_changed(front, tag):
    assert put(front, BODY, if_match=tag).problem[:2] == (412, "nothing is on hold")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"why": "x"}, "/why"),
        ({"until": "soon"}, "/until"),
        ({"until": "2012-08-13T02:00:00Z"}, "/until"),
        ({"missed": "run"}, "/missed"),
        ({"waiting": "skip"}, "/waiting"),
        ({"reason": "a\tb"}, "/reason"),
        ({"select": {"ids": []}}, "/select/ids"),
        ({"select": {"names": ["[ab]"]}}, "/select/names/0"),
        ({"select": {"tasks": ["a", "a\nb"]}}, "/select/tasks/1"),
        ({"select": {"labels": ["team", "Team=x"]}}, "/select/labels/1"),
        ({"select": {"labels": ["team=a b"]}}, "/select/labels/0"),
        ({"select": {"labels": []}}, "/select/labels"),
        ({"select": {"state": "paused"}}, "/select/state"),
        ({"select": {"names": ["x"] * 1001}}, "/select/names"),
        ([], ""),
    ],
)
def test_what_is_not_understood_holds_nothing(front, body, pointer):
    answer = put(front, body)
    assert (answer.status, answer.problem[2]) == (400, [pointer])
    assert front.get("/hold").status == 404


def test_to_run_what_is_on_hold_has_to_be_forced(front):
    held, other = front.job(name="batch-1"), front.job(name="other")
    put(front, BODY)
    assert front.post(b"", f"{held}/run").problem[:2] == (409, f"{WORDS}; force=1 runs it all the same")
    assert front.post(b"", f"{other}/run").status == front.post(b"", f"{held}/run?force=1").status == 202


def test_jobs_are_meant_by_their_labels(front):
    held = front.job(name="a", labels={"team": "data", "env": "prod"})
    other = front.job(name="b", labels={"team": "web"})
    assert put(front, {"select": {"labels": ["team=data", "env"]}}).json["select"] == {"labels": ["team=data", "env"]}
    assert (front.post(b"", f"{held}/run").status, front.post(b"", f"{other}/run").status) == (409, 202)


def test_it_is_audited(front):
    put(front, BODY)
    ask(front.site, "DELETE", "/hold")
    found = front.get("/audit").json["values"]
    assert [(entry["action"], entry["target"]) for entry in found] == [("hold.delete", None), ("hold.put", None)]
    asked = BODY | {"waiting": "hold"}
    assert found[1]["after"] == found[0]["before"] == asked
