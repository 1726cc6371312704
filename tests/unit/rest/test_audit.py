"""GET /audit: page by page, in part, and an order through HTTP leaves what it should."""

import logging
import re

import pytest

from tests.present import present
from tests.unit.rest.conftest import EXAMPLE, ask

NEXT = re.compile(r'<http://jobs\.example(/[^>]+)>; rel="next"')


def entries(front, query=""):
    answer = front.get(f"/audit{query}")
    assert answer.status == 200, answer
    return answer.json["values"]


def test_every_order_is_there_newest_first(front, caplog):
    caplog.set_level(logging.INFO, "jobsched.audit")
    job = front.job(name="n\u00a0x", parameters={})
    job_id = job.removeprefix("/jobs/")
    ask(front.site, "PATCH", job, b'{"name": "other"}')
    front.post(b"", f"{job}/pause")
    front.post(b"", f"{job}/resume")
    run = front.post(b"", f"{job}/run").headers["location"].rpartition("/")[2]
    front.post(b"", f"/runs/{run}/cancel")
    ask(front.site, "DELETE", job)

    found = entries(front)[::-1]
    assert [entry["action"] for entry in found] == [
        "job.create", "job.change", "job.pause", "job.resume", "run.start", "run.cancel", "job.delete"
    ]  # fmt: skip
    assert [entry["target"] for entry in found] == [job_id] * 4 + [run] * 2 + [job_id]
    assert [entry["job_id"] for entry in found] == [None] * 4 + [job_id] * 2 + [None]
    assert {(entry["who"], entry["address"]) for entry in found} == {(None, "192.168.1.1")}
    assert {entry["at"] for entry in found} == {"2012-08-13T02:00:00Z"}
    assert found[0]["after"].items() >= {"task": "example", "interval": {"seconds": 1.0}, "paused": False}.items()
    lines = [record.getMessage() for record in caplog.records if record.name == "jobsched.audit"]
    assert lines[:2] == [f"- 192.168.1.1 job.create {job_id} 'n\\xa0x'", f"- 192.168.1.1 job.change {job_id} 'other'"]
    assert len(lines) == len(found)


def test_what_is_refused_or_changes_nothing_is_not_there(front, caplog):
    caplog.set_level(logging.INFO, "jobsched.audit")
    job = front.job()
    run = front.run(job, state="succeeded")
    before = entries(front)
    key = {"idempotency_key": "k"}
    refused = [
        front.post(EXAMPLE | {"task": "nosuchtask"}),
        front.post(EXAMPLE | {"cron": "* * * * *"}),
        front.post(b"{"),
        ask(front.site, "PATCH", job, b'{"end": "2000-01-01T00:00:00Z"}'),
        ask(front.site, "PATCH", job, b'{"name": "x"}', if_match='"9"'),
        ask(front.site, "DELETE", f"{job}x"),
        front.post(b"", f"{job}x/run"),
        front.post(b"", f"/runs/{run}/cancel"),
    ]
    assert all(400 <= answer.status < 500 for answer in refused), refused
    assert front.post(b"", f"{job}/resume").status == 200
    assert ask(front.site, "PATCH", job, b'{"name": "a job", "parameters": {}}').status == 200
    assert entries(front) == before
    lines = len(caplog.records)

    made = [front.post(EXAMPLE, **key).headers["location"] for _ in "123"]
    assert len(set(made)) == 1
    assert front.post(EXAMPLE | {"name": "b"}, **key).status == 422
    assert len(entries(front)) == len(before) + 1
    assert len(caplog.records) == lines + 1


def test_the_trail_can_be_read_whole_by_links_while_it_grows(front):
    for _ in range(7):
        front.job()
    whole = [entry["id"] for entry in entries(front)]
    path: str | None = "/audit?limit=2&action=job.create"
    found = []
    while path:
        answer = front.get(path)
        found.append([entry["id"] for entry in answer.json["values"]])
        path = present(NEXT.fullmatch(answer.headers["link"]))[1] if "link" in answer.headers else None
        front.job()
    assert found == [whole[:2], whole[2:4], whole[4:6], whole[6:]]


def test_a_part_is_asked_for_by_the_query(front):
    job, other = front.job(), front.job()
    run = front.post(b"", f"{job}/run").headers["location"].rpartition("/")[2]
    front.reactor.rightNow += 60
    front.post(b"", f"{other}/pause")
    later = "2012-08-13T02:01:00"

    def actions(query):
        return [entry["action"] for entry in entries(front, query)]

    assert actions(f"?target={job.removeprefix('/jobs/')}") == ["run.start", "job.create"]
    assert actions(f"?target={run}") == ["run.start"]
    assert actions("?action=job.pause") == actions(f"?from={later}Z") == ["job.pause"]
    assert actions(f"?from={later}%2B00:00&to={later}.000001Z") == ["job.pause"]
    assert actions(f"?to={later}Z") == ["run.start", "job.create", "job.create"]
    assert actions("?who=alice") == []
    assert actions("?target=nothing") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("action=job.made", "?action"), ("limit=0", "?limit"), ("from=2012-08-13T02:00:00", "?from"), ("to=x", "?to"),
     ("who=a&who=b", "?who"), ("state=x", "?state"), (f"after={'x' * 65}", "?after")],
)  # fmt: skip
def test_what_is_no_query_is_refused(front, query, pointer):
    status, _, pointers = front.get(f"/audit?{query}").problem
    assert status == 400
    assert pointers in ([pointer], [""])
