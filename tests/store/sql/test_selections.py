"""Which jobs are meant: SQL and the rule of the model say the same."""

from __future__ import annotations

from itertools import product

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from jobsched.model.job import Job
from jobsched.model.labels import About
from jobsched.model.selection import Selection
from jobsched.store.sql.tables import jobs
from jobsched.store.sql.visibility import selected
from tests.store.samples import T0, job
from tests.store.sql.desk import SqlDesk

NAMES = ("a", "A", "ab", "a_b", "a%b", "a|b", "a*b", "a?b", "a\\b", "b a", "a ", "ä", "batch-1", "batch-10")
LABELS = ("env", "env=prod", "env=Prod", "env=", "team", "team=", "team=data", "none")
TASKS = ("a", "backup", "backup-db")

globs = st.lists(
    st.one_of(st.sampled_from([*NAMES, *TASKS]), st.text("aAb*?_%|\\- 1ä", min_size=1, max_size=5)),
    min_size=1,
    max_size=3,
).map(tuple)


def population() -> list[Job]:
    made = [job(name=name, made=n) for n, name in enumerate(NAMES)]
    tasks = [attrs.evolve(job(made=50 + n), task=task) for n, task in enumerate(TASKS)]
    states = [
        attrs.evolve(job(made=90 + n), paused=paused, next_due=due)
        for n, (paused, due) in enumerate(product((True, False), (None, T0)))
    ]
    labelled = [
        attrs.evolve(job(made=100 + n), about=About(labels=dict(zip(("env", "team"), values, strict=False))))
        for n, values in enumerate([("prod",), ("Prod", ""), ("prod", "data"), ("test", "data")])
    ]
    return [*made, *tasks, *states, *labelled, attrs.evolve(job(name="other"), id="a_b")]


def test_the_same_jobs_are_found_as_are_matched(desk: SqlDesk) -> None:
    there = population()
    desk.add(*there)
    ids = [one.id for one in there]

    @given(
        st.builds(
            Selection,
            ids=st.none() | st.lists(st.sampled_from([*ids, "nothing"]), min_size=1).map(tuple),
            names=st.none() | globs,
            tasks=st.none() | globs,
            labels=st.none() | st.lists(st.sampled_from(LABELS), min_size=1, max_size=3).map(tuple),
            state=st.sampled_from([None, None, "scheduled", "paused", "ended"]),
        )
    )
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    def agrees(selection: Selection) -> None:
        found = desk.read(
            lambda asked: list(asked.execute(select(jobs.c.id).where(selected(asked, selection))).scalars())
        )
        assert set(found) == {one.id for one in there if selection.matches(one)}
        assert Selection.of(selection.fields) == selection

    agrees()
