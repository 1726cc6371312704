"""What is ordered through one node is in force on the others: at once on PostgreSQL, which tells them, and within a
second on MariaDB, which they ask."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.system.caller import Caller, instant
from tests.system.daemon import until
from tests.system.pair import Pair

SECOND = 1.0  # until it is in force everywhere
BUSY = 15.0  # seconds that a busy machine may add


def first_run(pair: Pair, job: str, state: str = "") -> Any:
    """The job's first run, once there is one that began."""

    def began() -> Any:
        runs = pair.ask.get(f"{job}/runs")["values"]
        return next((run for run in reversed(runs) if run["started"] and state in ("", run["state"])), None)

    return until(began)


def test_a_change_through_one_node_is_in_force_on_the_other(pair: Pair) -> None:
    job = pair.job("few", interval={"hours": 1})
    changed = pair.ask.ask("PATCH", job, {"interval": {"seconds": 1}})
    assert changed.status == 200, changed.text
    run = first_run(pair, job)
    assert run["node"] == "worker"
    begun_after = (instant(run["started"]) - instant(changed.json["updated"])).total_seconds()
    assert 1 <= begun_after <= 1 + SECOND + BUSY, "its first due is a second after the change"
    pair.ask.ask("DELETE", job)


def test_run_now_through_one_node_starts_on_the_other(pair: Pair) -> None:
    job = pair.job("few", interval={"hours": 1})
    run = pair.ask.ended(pair.ask.run(job))
    assert (run["node"], run["state"]) == ("worker", "succeeded")
    assert (instant(run["started"]) - instant(run["due"])).total_seconds() <= SECOND + BUSY
    pair.ask.ask("DELETE", job)


def test_a_run_on_one_node_is_cancelled_through_the_other(pair: Pair) -> None:
    run, _ = pair.begun()
    assert pair.ask.ask("POST", f"{run}/cancel").status == 202
    ended = pair.ask.ended(run)
    assert (ended["node"], ended["state"], ended["reason"]) == ("worker", "cancelled", "cancelled by a caller")


def test_a_job_deleted_on_one_node_ends_its_run_on_the_other(pair: Pair) -> None:
    run, _ = pair.begun()
    job = f"/jobs/{pair.ask.get(run)['job_id']}"
    assert pair.ask.ask("DELETE", f"{job}?cancel=1").status == 200
    ended = pair.ask.ended(run)
    assert (ended["state"], ended["reason"]) == ("cancelled", "cancelled: its job was deleted")


def test_a_job_paused_on_one_node_does_not_start_on_the_other(pair: Pair) -> None:
    job = pair.job("few", interval={"seconds": 1})
    first_run(pair, job)
    paused = pair.ask.ask("POST", f"{job}/pause")
    assert paused.status == 200
    until(lambda: not pair.ask.runs(job, "waiting", "running"))
    begun = [run["id"] for run in pair.ask.get(f"{job}/runs")["values"]]
    until(lambda: instant(pair.ask.get("/nodes")["values"][0]["seen"]) > instant(paused.json["next_due"]))
    assert [run["id"] for run in pair.ask.get(f"{job}/runs")["values"]] == begun
    pair.ask.ask("DELETE", job)


def test_a_node_come_back_runs_a_job_of_every_node_at_once(pair: Pair) -> None:
    """No due after it has joined is without a run of its own, though other nodes hear of it at their next heartbeat."""
    more: dict[str, Any] = {"overlap": "allow", "catch_up": "all"}  # a due decided late has its runs too
    job = pair.ask.make("few", interval={"seconds": 0.25}, placement="every", **more)
    assert pair.worker.stop() == 0
    until(lambda: any("worker was stopped" in run["reason"] for run in pair.ask.runs(job, "missed")))
    pair.worker.start()
    until(lambda: ("worker", "alive") in [(node["name"], node["state"]) for node in nodes(pair)])
    since = datetime.now(UTC) + timedelta(seconds=0.5)  # its joining is committed by then, by any clock here
    until(lambda: any(instant(run["due"]) > since + timedelta(seconds=3) for run in pair.ask.runs(job)))
    assert pair.ask.ask("DELETE", job).status == 200
    found = [run for run in pair.ask.runs(job) if since < instant(run["due"]) < since + timedelta(seconds=2.5)]
    dues = Counter(run["due"] for run in found)
    assert len(dues) >= 9
    assert set(dues.values()) == {2}, dues
    assert {run["state"] for run in found} <= {"waiting", "running", "succeeded", "cancelled"}


def nodes(pair: Pair) -> list[Any]:
    found: list[Any] = pair.ask.get("/nodes")["values"]
    return found


def test_the_first_reason_to_end_a_run_stays_in_the_trail_too(pair: Pair) -> None:
    """The worker hears within half a second that its run is replaced. A cancel through it comes before that."""
    parameters, step = pair.gate()
    job = pair.job("steps", overlap="replace", parameters=parameters)
    first = pair.ask.run(job)
    until(lambda: pair.ask.get(first)["state"] == "running" and pair.file(first))
    second = pair.ask.run(job)
    assert Caller(pair.worker).ask("POST", f"{first}/cancel").status in (202, 409)  # it may be over by then
    ended = pair.ask.ended(first)
    assert (ended["state"], ended["reason"]) == ("cancelled", "replaced by a later due of its job")
    assert [entry["action"] for entry in pair.ask.get(f"/audit?target={ended['id']}")["values"]] == ["run.start"]
    told = pair.ask.get(f"/audit?target={second.rpartition('/')[2]}")["values"]
    assert [entry["after"]["replaced"] for entry in told] == [[ended["id"]]]
    for number in (1, 2, 3):
        step(number)
    assert pair.ask.ended(second)["state"] == "succeeded"


def test_a_later_due_replaces_a_run_whichever_node_decides_it(pair: Pair) -> None:
    parameters, _ = pair.gate()
    job = pair.job("steps", interval={"seconds": 1}, overlap="replace", parameters=parameters)
    replaced = first_run(pair, job, "cancelled")
    assert replaced["reason"] == "replaced by a later due of its job"
    assert pair.ask.ask("DELETE", f"{job}?cancel=1").status == 200
