"""Many callers at once: their orders share transactions, and what was answered outlives the death of the daemon."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from tests.system.caller import Answer, Caller
from tests.system.daemon import Daemon, until

CLIENTS = 16
ENOUGH = 200  # answers before the daemon dies
JOB = {"task": "example", "interval": {"seconds": 3600}}


def test_what_was_answered_outlives_a_crash_and_is_there_once(daemon: Daemon) -> None:
    ask = Caller(daemon.start())
    answered: list[tuple[str, str]] = []  # key, path

    def client(number: int) -> None:
        for beat in range(10_000):
            key = f"{number}-{beat}"
            with contextlib.suppress(OSError, HTTPException):
                answer = ask.ask("POST", "/jobs", JOB | {"name": key}, idempotency_key=key)
                assert answer.status == 202, answer
                answered.append((key, answer.headers["location"].rpartition("/")[2]))
                continue
            return
        raise AssertionError("the daemon does not die")

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client, number) for number in range(CLIENTS)]
        until(lambda: len(answered) >= ENOUGH)
        daemon.kill()
        for each in clients:
            each.result()
    daemon.start()
    kept = {job["id"]: job["name"] for job in every_job(ask)}
    assert {job_id: key for key, job_id in answered}.items() <= kept.items()
    assert len(set(kept.values())) == len(kept), "one job of each key"
    assert len(kept) <= len(answered) + CLIENTS
    told = {entry["target"] for entry in ask.get("/audit?limit=1000&action=job.create")["values"]}
    assert told == kept.keys()
    key, path = answered[-1]
    again = ask.ask("POST", "/jobs", JOB | {"name": key}, idempotency_key=key)
    assert again.headers["location"].endswith(path)


def test_of_callers_at_once_each_has_its_own_answer(daemon: Daemon) -> None:
    ask = Caller(daemon.start())
    ask.make("example", id="taken")
    bodies = [JOB | {"name": f"job {number}"} for number in range(CLIENTS * 4)]
    for number in range(3, len(bodies), 4):
        bodies[number]["id"] = "taken"

    def post(body: dict[str, object]) -> Answer:
        return ask.ask("POST", "/jobs", body)

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(post, bodies))
    assert [answer.status for answer in answers] == [202, 202, 202, 409] * CLIENTS
    assert {answer.headers["location"] for answer in answers[3::4]} == {f"http://127.0.0.1:{daemon.port}/jobs/taken"}
    names = {job["id"]: job["name"] for job in every_job(ask)}
    made = [(answer.headers["location"].rpartition("/")[2], body["name"])
            for answer, body in zip(answers, bodies, strict=True) if answer.status == 202]  # fmt: skip
    assert {**dict(made), "taken": "a example"} == names


def every_job(ask: Caller) -> list[dict[str, str]]:
    """All jobs there are."""
    found: list[dict[str, str]] = []
    page = "/jobs?limit=500"
    while page:
        answer = ask.ask("GET", page)
        found += answer.json["values"]
        page = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    return found
