"""Pages of runs by everything that one may ask for: what is found is what fits, newest first, page by page."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import product
from typing import Any

import attrs
import pytest

from jobsched.model.ids import Ids
from jobsched.model.job import Job
from jobsched.model.labels import About, Label
from jobsched.model.run import FAILING, STATES, Run, RunFilter
from tests.store.samples import Desk, at, job, run

JOBS = [
    job(about=About(labels={"team": team, "n": str(number)} if team else {}))
    for number, team in enumerate(("data", "data", "web", ""))
]
MINUTE = timedelta(minutes=1)


def many(seed: int = 7) -> list[Run]:
    """Runs of every kind, made within an hour: some found late, some again, some stretches."""
    chance, ids, found = random.Random(seed), Ids(), []  # a test that can be repeated
    for number in range(160):
        made = at(3600 + number * 20)
        late = chance.choice([0, 0, 0, 1, 600, 3000])
        state = chance.choice(STATES.states)
        where = chance.choice([("alpha", ""), ("beta", "beta"), (None, "beta"), (None, "")])
        stretch = state in ("missed", "skipped") and chance.random() < 0.5
        found.append(
            run(
                id=ids.make(made),
                created=made,
                job_id=chance.choice([*JOBS, *JOBS[:1]]).id if chance.random() < 0.9 else "gone",
                task=chance.choice(["task", "backup", "back_up"]),
                due=3600 + number * 20 - late - number / 1e6,
                until=made + timedelta(seconds=chance.choice([0, 500, 2000])) if stretch else None,
                count=5 if stretch else 1,
                attempt=number + 1,
                cause=chance.choice(["schedule", "schedule", "manual", "retry"]),
                state=state,
                node=where[0],
                node_id=where[0],
                place=where[1],
            )
        )
    return found


def fits(each: Run, only: RunFilter, labels: dict[str, Any]) -> bool:
    """What the contract says."""
    last = each.until or each.due
    return (
        (only.job_id in (None, each.job_id))
        and (not only.states or each.state in only.states)
        and (only.task in (None, each.task))
        and (only.node in (None, each.node or each.place))
        and (only.cause in (None, each.cause))
        and (only.begin is None or last >= only.begin)
        and (only.end is None or each.due < only.end)
        and all(label.fits(labels.get(each.job_id, {})) for label in only.labels)
        and (only.tasks is None or any(each.task.startswith(one.rstrip("*")) for one in only.tasks))
    )


SINGLE: list[dict[str, Any]] = [
    {},
    {"job_id": JOBS[0].id},
    {"states": ("succeeded",)},
    {"states": FAILING},
    {"states": ("skipped", "succeeded", "failed", "failed")},
    {"task": "backup"},
    {"node": "alpha"},
    {"node": "beta"},
    {"cause": "schedule"},
    {"cause": "retry"},
    {"labels": (Label("team", "data"),)},
    {"labels": (Label("team"), Label("n", "2"))},
    {"labels": (Label("nobody"),)},
    {"tasks": ("backup", "task")},
    {"tasks": ("back*",)},
    {"tasks": ()},
]
TIMES: list[dict[str, Any]] = [
    {},
    {"begin": at(5000)},
    {"end": at(5000)},
    {"begin": at(4000), "end": at(5000)},
    {"begin": at(99999)},
    {"end": at(0)},
]


@pytest.fixture
def filled(desk: Desk) -> tuple[Desk, list[Run], dict[str, Any]]:
    desk.add(*JOBS)
    runs = many()
    desk.insert(*runs)
    return desk, runs, {each.id: each.about.labels for each in JOBS}


@pytest.mark.parametrize("few", [50, 1], ids=["few labelled", "many labelled"])
@pytest.mark.parametrize("little", [2000, 3], ids=["little since", "much since"])
def test_what_is_found_is_what_fits(
    filled: tuple[Desk, list[Run], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, few: int, little: int
) -> None:
    desk, runs, labels = filled
    desk.bench.prefer(monkeypatch, few, little)
    newest_first = sorted(runs, key=lambda each: each.id, reverse=True)
    chance = random.Random(1)
    pairs = [one | other for one, other in product(SINGLE, SINGLE) if not one.keys() & other.keys()]
    asked = [what | when for what, when in product(SINGLE, TIMES)] + [
        what | chance.choice(TIMES) for what in chance.sample(pairs, 60)
    ]
    for fields in asked:
        only = RunFilter(**fields)
        expected = [each.id for each in newest_first if fits(each, only, labels)]
        if only.job_id is not None and not expected:
            continue
        found: list[str] = []
        while page := desk.ask(desk.store.runs.page(50, found[-1] if found else None, only)):
            found += [each.id for each in page]
        assert found == expected, fields


def test_pages_stay_as_they_are_while_new_runs_come(filled: tuple[Desk, list[Run], dict[str, Any]]) -> None:
    desk, runs, _ = filled
    only = RunFilter(states=FAILING, begin=at(0))
    every = [each.id for each in desk.ask(desk.store.runs.page(1000, None, only))]
    first = desk.ask(desk.store.runs.page(5, None, only))
    newer = attrs.evolve(runs[0], id=Ids().make(at(9999)), due=at(9999), state="failed")
    desk.insert(newer)
    rest = desk.ask(desk.store.runs.page(1000, first[-1].id, only))
    assert [each.id for each in [*first, *rest]] == every


def test_a_job_that_lost_its_labels_lost_its_runs_there(desk: Desk) -> None:
    one: Job = job(about=About(labels={"team": "data"}))
    desk.add(one)
    desk.insert(run(job_id=one.id))
    only = RunFilter(labels=(Label("team", "data"),))
    assert len(desk.ask(desk.store.runs.page(9, None, only))) == 1
    desk.bench.replace_job(attrs.evolve(one, about=About()))
    assert desk.ask(desk.store.runs.page(9, None, only)) == []
