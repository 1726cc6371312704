"""The five calls of the first Jobsched, to the letter, from outside."""

import contextlib
import json
import re
from datetime import datetime, timedelta
from http.client import HTTPConnection

import pytest_twisted

from jobsched.http.host_check import ALWAYS, UNLESS_SET
from tests.present import present
from tests.system.daemon import eventually

ID = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def call(daemon, method, path, body=None):
    """Ask as plainly as can be: the first line, the headers but for those of every answer, the body."""
    client = HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    with contextlib.closing(client):
        client.request(
            method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {}
        )
        answer = client.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        assert headers.pop("server") == "jobsched"
        assert headers.pop("date").endswith(" GMT")
        assert headers.pop("cache-control") == ("no-cache" if "etag" in headers else "no-store")
        for name, _ in (*ALWAYS[1:], *UNLESS_SET):
            del headers[name.decode().lower()]
        return f"HTTP/{answer.version / 10} {answer.status} {answer.reason}", headers, answer.read().decode()


def of_json(text):
    return {"content-type": "application/json", "content-length": str(len(text))}


EMPTY = {"content-type": "text/html; charset=utf-8", "content-length": "0"}


def test_the_five_calls_answer_as_they_always_did(daemon):
    daemon.environment["TZ"] = "Asia/Kathmandu"
    daemon.start()

    line, headers, text = call(daemon, "GET", "/catalog")
    assert (line, headers) == ("HTTP/1.1 200 OK", of_json(text))
    assert json.loads(text) == {"tasks": ["runfoo", "example", "timeout"]}

    made = []
    for interval, shown in (({"seconds": 1}, "0:00:01"), ({"weeks": 1, "days": 1, "seconds": 7384}, "8 days, 2:03:04")):
        body = {"task": "example", "name": "a job", "interval": interval}
        line, headers, text = call(daemon, "POST", "/jobs", body)
        address = present(re.fullmatch(rf"http://127\.0\.0\.1:{daemon.port}(/jobs/({ID}))", headers.pop("location")))
        assert (line, headers, text) == ("HTTP/1.1 202 Accepted", EMPTY, "")
        made.append((address[1], {"id": address[2], "name": "a job", "interval": shown}))

    for path, expected in made:
        line, headers, text = call(daemon, "GET", path)
        job = json.loads(text)
        assert (line, headers) == (
            "HTTP/1.1 200 OK",
            of_json(text) | {name: headers[name] for name in ("etag",) if name in headers},
        )
        assert {name: job[name] for name in expected} == expected
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?", job["next_run"])
        in_nepal = datetime.fromisoformat(job["next_due"]) + timedelta(hours=5, minutes=45)
        assert job["next_run"] == str(in_nepal.replace(tzinfo=None))

    line, headers, text = call(daemon, "GET", "/jobs")
    listed = json.loads(text)
    assert (line, headers, list(listed)) == ("HTTP/1.1 200 OK", of_json(text), ["values"])
    assert [{name: job[name] for name in ("id", "name", "interval")} for job in listed["values"]] == [
        expected for _, expected in made
    ]

    assert call(daemon, "DELETE", made[0][0]) == ("HTTP/1.1 200 OK", EMPTY, "")
    assert [job["id"] for job in json.loads(call(daemon, "GET", "/jobs")[2])["values"]] == [made[1][1]["id"]]
    for method in ("GET", "DELETE"):
        line, headers, text = call(daemon, method, made[0][0])
        assert (line, headers["content-type"]) == ("HTTP/1.1 404 Not Found", "application/problem+json")


@pytest_twisted.ensureDeferred
async def test_the_location_is_on_the_host_that_was_asked(daemon):
    daemon.options("ALLOWED_HOSTS = ['jobs.example.org']")
    daemon.start()
    body = {"task": "example", "name": "a job", "interval": {"hours": 1}}
    answer = await daemon.ask("POST", "/jobs", json=body, headers={"Host": "jobs.example.org:8080"})

    assert re.fullmatch(rf"http://jobs\.example\.org:8080/jobs/{ID}", answer.headers.getRawHeaders("location")[0])


@pytest_twisted.ensureDeferred
async def test_a_deleted_job_starts_nothing_more_and_keeps_its_record(daemon):
    daemon.start()
    job = await daemon.schedule("example", 0.2)
    await daemon.run_in(job, "succeeded")
    assert (await daemon.ask("DELETE", job)).code == 200

    async def at_rest():
        return all(run["ended"] for run in await daemon.runs(job))

    await eventually(at_rest)
    before = await daemon.runs(job)
    other = await daemon.schedule("example", 0.5)
    await daemon.run_in(other, "succeeded")  # time passed: more than two of the intervals that are no more

    assert await daemon.runs(job) == before != []
