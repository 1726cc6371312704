"""Conditions on calls: the tag of a job, what is not sent again, what is not changed; and bodies where none is due."""

from __future__ import annotations

import re
from itertools import product

import pytest

from jobsched.http.conditions import tag_of
from tests.present import present
from tests.unit.rest.conftest import ask, exchange

TAG = re.compile(r'"([0-9]+)\.[0-9a-f]{16}"')
WRITES = (
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("POST", "/run"),
    ("POST", "/run?follow=1"),
)
UNMATCHED = (("POST", "/jobs"), ("POST", "/preview"), ("POST", "/catalog/reload"), ("POST", "/runs/x/cancel"))
BODY = b'{"name": "other"}'


def write(front, method, path, **headers):
    return ask(front.site, method, path, BODY if method == "PATCH" else b"", **headers)


def test_the_tag_of_a_job_is_its_version_and_what_is_shown(front):
    job = front.job()
    first = front.get(job).headers["etag"]
    assert present(TAG.fullmatch(first))[1] == "1"
    assert front.get(job).headers["etag"] == first
    assert ask(front.site, "HEAD", job).headers["etag"] == first
    front.run(job)
    after = front.get(job).headers["etag"]
    assert present(TAG.fullmatch(after))[1] == "1", "a run changes what is shown, not the definition"
    assert after != first
    changed = write(front, "PATCH", job)
    assert present(TAG.fullmatch(changed.headers["etag"]))[1] == "2"
    assert front.get(job).headers["etag"] == changed.headers["etag"]
    paused = write(front, "POST", f"{job}/pause")
    assert front.get(job).headers["etag"] == paused.headers["etag"]


def test_what_is_known_already_is_not_sent_again(front):
    job = front.job()
    tag = front.get(job).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x" , {tag}', "*"):
        answer = front.get(job, if_none_match=known)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "no-cache"
        assert "date" in answer.headers
        assert not {"content-type", "content-length", "transfer-encoding"} & answer.headers.keys()
        assert ask(front.site, "HEAD", job, if_none_match=known).status == 304
    for other in ('"1"', '"x"', '"1.0000000000000000"'):
        assert front.get(job, if_none_match=other).status == 200
    front.run(job)
    assert front.get(job, if_none_match=tag).status == 200, "a run is shown: the job is not what is known"


def test_a_connection_goes_on_after_what_is_not_sent_again(front):
    job = front.job()
    tag = front.get(job).headers["etag"]
    ask_again = f"GET {job} HTTP/1.1\r\nHost: h\r\nIf-None-Match: {tag}\r\n\r\n".encode()
    said, wire = exchange(front.site, ask_again)
    assert said.startswith(b"HTTP/1.1 304 Not Modified\r\n")
    assert said.endswith(b"\r\n\r\n")
    assert not wire.disconnecting


def test_if_match_comes_before_if_none_match_and_is_strong(front):
    job = front.job()
    tag = front.get(job).headers["etag"]
    assert front.get(job, if_match=tag).status == 200
    assert front.get(job, if_match="*").status == 200
    assert front.get(job, if_match=f'"x", {tag}').status == 200
    for other in (f"W/{tag}", '"x"', '"1"', ""):
        assert front.get(job, if_match=other or '""', if_none_match=tag).problem[0] == 412


def test_what_has_no_tag_is_there_all_the_same(front):
    assert front.get("/catalog", if_none_match='"x"').status == 200
    assert front.get("/catalog", if_none_match="*").status == 304
    assert front.get("/catalog", if_match="*").status == 200
    assert front.get("/catalog", if_match='"x"').problem[0] == 412
    assert front.get("/catalog/nothing", if_match='"x"').problem[0] == 404, "conditions are on what is there"
    assert front.get("/catalog", if_unmodified_since="Sat, 29 Oct 1994 19:43:31 GMT").status == 200


@pytest.mark.parametrize(
    "condition",
    ['"1"', "1", '"1.{shown}"', '"1.other"', "*", '"7", "1"', '"x" , "1.{shown}"', 'W/"7", "1"'],
)
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_write_is_made_when_the_version_is_one_that_is_meant(front, method, path, condition):
    job = front.job()
    shown = front.get(job).headers["etag"][3:-1]
    front.run(job)  # a job that ran meanwhile is still the one that is meant
    answer = write(front, method, job + path, if_match=condition.replace("{shown}", shown))
    assert answer.status == (202 if path == "/run" else 200)


@pytest.mark.parametrize(
    "condition",
    [
        '"2"',
        '"2.x"',
        'W/"1"',
        'W/"1.x"',
        '"01"',
        '"1x"',
        '"x"',
        '""',
        '"11"',
        '"' + "1" * 5000 + '"',
        '"\u00b9"',
        ", ,",
    ],
)
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_it_is_not_made_when_the_job_is_another_by_now(front, method, path, condition):
    job = front.job()
    before = front.get(job).body
    answer = write(front, method, job + path, if_match=condition)
    assert answer.problem[:2] == (412, f"job {job.removeprefix('/jobs/')} is at version 1 by now")
    assert front.get(job).body == before
    assert front.get(f"{job}/runs").json == {"values": []}


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_several_lines_are_one_list(front, method, path):
    job = front.job()
    body = BODY if method == "PATCH" else b""
    head = f"{method} {job}{path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n" * bool(body)
    for last, status in (('"8"', b"412"), ('"1"', b"20")):
        said, _ = exchange(front.site, f'{head}If-Match: "7"\r\nIf-Match: {last}\r\n\r\n'.encode() + body)
        assert said.startswith(b"HTTP/1.1 " + status)


def test_a_job_that_is_not_there_is_404_whatever_is_asked_of_it(front):
    for method, path in WRITES:
        assert write(front, method, f"/jobs/nothing{path}", if_match='"1"').problem[0] == 404


def test_a_key_sent_again_has_its_answer_though_the_job_changed(front):
    job = front.job()
    run = write(front, "POST", f"{job}/run", if_match='"1"', idempotency_key="k").headers["location"]
    write(front, "PATCH", job)
    again = write(front, "POST", f"{job}/run", if_match='"1"', idempotency_key="k")
    assert (again.status, again.headers["location"]) == (202, run)
    assert write(front, "POST", f"{job}/run", if_match='"1"', idempotency_key="l").status == 412


@pytest.mark.parametrize(("method", "path"), UNMATCHED)
def test_a_condition_that_means_nothing_is_refused(front, method, path):
    for name, value in product(("If-Match", "If-None-Match"), ("*", '"1"')):
        headers = {name.replace("-", "_"): value}
        assert ask(front.site, method, path, b"", **headers).problem[:2] == (
            400,
            f"{name} has no meaning for this call",
        )


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_no_write_is_made_only_if_something_is_not_there(front, method, path):
    job = front.job()
    answer = write(front, method, job + path, if_none_match='"1"')
    assert answer.problem[:2] == (400, "If-None-Match has no meaning for this call")
    assert present(TAG.fullmatch(front.get(job).headers["etag"]))[1] == "1"


def test_a_tag_is_as_short_as_it_can_be_told_apart():
    assert tag_of(7, b"{}") == tag_of(7, b"{}") != tag_of(7, b"{ }")
    assert present(TAG.fullmatch(tag_of(12, b"").decode()))[1] == "12"


def test_resume_with_a_body_resumes_nothing(front):
    job = front.job()
    ask(front.site, "POST", f"{job}/pause")
    answer = ask(front.site, "POST", f"{job}/resume", b'{"until": "2040-01-01T00:00:00Z"}')
    assert answer.problem[:2] == (400, "this call takes no body")
    assert front.get(job).json["paused"] is True
