"""POST /jobs:batch as it is asked for and answered."""

import pytest

from jobsched.model.caller import Caller

ALL = {"names": ["*"]}


def batch(front, body, query=""):
    return front.post(body, f"/jobs:batch{query}")


def test_each_job_has_its_part(front):
    jobs = [front.job(name=f"batch-{number}") for number in range(3)]
    answer = batch(front, {"select": {"names": ["batch-[ab]"]}, "action": "pause"})
    assert (answer.status, answer.problem[2]) == (400, ["/select/names/0"])
    answer = batch(front, {"select": {"names": ["batch-?"]}, "action": "change", "patch": {"retries": 2}})
    assert answer.status == 200
    assert [part["id"] for part in answer.json["values"]] == [job.rpartition("/")[2] for job in jobs]
    first = answer.json["values"][0]
    assert list(first) == ["id", "name", "result", "detail", "version", "next_due", "run", "before", "after"]
    assert (first["result"], first["before"], first["after"], first["version"]) == (
        "done", {"retries": 0}, {"retries": 2}, 2
    )  # fmt: skip
    assert {front.get(job).json["retries"] for job in jobs} == {2}
    group = front.get("/audit").json["values"][0]["group"]
    assert len(front.get(f"/audit?group={group}").json["values"]) == 4


def test_jobs_are_meant_by_their_labels(front):
    jobs = [front.job(labels={"team": team, "env": "prod"}) for team in ("data", "web", "data")]
    answer = batch(front, {"select": {"labels": ["team=data", "env"]}, "action": "pause"})
    assert [part["id"] for part in answer.json["values"]] == [jobs[n].rpartition("/")[2] for n in (0, 2)]
    assert batch(front, {"select": {"labels": ["!"]}, "action": "pause"}).problem[2] == ["/select/labels/0"]


@pytest.mark.parametrize("query", ["?plan=1", "?plan=true&partial=1"])
def test_a_plan_changes_nothing(front, query):
    job = front.job()
    answer = batch(front, {"select": ALL, "action": "delete"}, query)
    assert [part["result"] for part in answer.json["values"]] == ["done"]
    assert front.get(job).status == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"select": {}, "action": "pause"}, "/select"),
        ({"select": {"name": "x"}, "action": "pause"}, "/select/name"),
        ({"select": ALL}, "/action"),
        ({"action": "pause"}, "/select"),
        ({"select": ALL, "action": "stop"}, "/action"),
        ({"select": ALL, "action": "change"}, "/patch"),
        ({"select": ALL, "action": "pause", "patch": {"retries": 1}}, "/patch"),
        ({"select": ALL, "action": "resume", "until": "2040-01-01T00:00:00Z"}, "/until"),
        ({"select": ALL, "action": "run", "cancel": True}, "/cancel"),
        ({"select": ALL, "action": "delete", "force": True}, "/force"),
        ({"select": ALL, "action": "pause", "until": "2012-08-13T02:00:00Z"}, "/until"),
        ({"select": ALL, "action": "pause", "versions": {"a/b": 1.5}}, "/versions/a~1b"),
        ({"select": ALL, "action": "change", "patch": {"retries": -1}}, "/patch/retries"),
        ({"select": ALL, "action": "change", "patch": {"cron": "61 * * * *"}}, "/patch/cron"),
        ({"select": ALL, "action": "change", "patch": {"task": "nothing"}}, ""),
    ],
)
def test_what_is_not_understood_changes_nothing(front, body, pointer):
    job = front.job()
    before = front.get(job).json
    answer = batch(front, body)
    assert (answer.status, answer.problem[2]) in ((400, [pointer]), (404, []))
    assert front.get(job).json == before


def test_a_version_that_is_not_current_is_412(front):
    job = front.job().rpartition("/")[2]
    body = {"select": {"ids": [job]}, "action": "pause", "versions": {job: 7}}
    assert batch(front, body).status == 412
    assert batch(front, body, "?partial=1").json["values"][0]["result"] == "stale"


@pytest.mark.parametrize(
    ("scopes", "action", "status"),
    [(["write"], "pause", 200), (["run"], "run", 200), (["run"], "pause", 403), (["write"], "run", 403),
     (["read"], "pause", 403), (["admin"], "run", 200)],
)  # fmt: skip
def test_the_scope_goes_by_what_is_done(front, monkeypatch, scopes, action, status):
    front.job()
    known = Caller(name="some", scopes=frozenset(scopes))
    monkeypatch.setattr("jobsched.rest.batches.caller", lambda _: known)
    assert batch(front, {"select": ALL, "action": action}).status == status
