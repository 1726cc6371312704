"""Jobs of which somebody is told, and what there is to be told."""

from __future__ import annotations

from typing import Any

from jobsched.model.delivery import Delivery
from jobsched.model.job import Event, Notify, Watch
from jobsched.model.run import State
from tests.store.samples import Desk, job, run

URL = "https://hooks.example/mine?key=1"


def telling(*on: Event, url: str | None = URL, **fields: Any) -> Any:
    notify = Notify(url=url, on=on) if on else Notify(url=url)
    return job(watch=Watch(notify=notify), **fields)


def told(desk: Desk) -> list[Delivery]:
    return desk.bench.deliveries()


def fail(desk: Desk, one: Any, state: State = "failed", seconds: float = 1000, **fields: Any) -> Any:
    """A run of that job which ended so."""
    began = run(seconds - 1, job_id=one.id, **fields)
    desk.insert(began)
    desk.ended(began, state=state, seconds=seconds)
    return began
