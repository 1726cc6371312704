"""What is said of jobs is kept, and jobs and runs are found by it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from jobsched.model.health import JobInfo
from jobsched.model.job import Job, JobFilter
from jobsched.model.labels import MOST, About, Label
from jobsched.model.order import DeleteJob
from jobsched.model.run import RunFilter
from tests.store.samples import T0, Desk, job, run

MUCH = About(
    labels={f"name-{n}/" + "x" * 54: "v" * 63 for n in range(10, MOST + 10)},
    description="ä\U0001f600\n" * 666,
    owner="Zoë",
    runbook="https://wiki.example/" + "x" * 1900,
)


def labelled(**labels: str) -> Job:
    return job(about=About(labels=labels))


def found(desk: Desk, *labels: Label, **only: Any) -> list[str]:
    page = desk.ask(desk.store.jobs.page(100, "", JobFilter(labels=labels, **only), 1 << 30, T0))
    return [view.job.id for view in page.values]


def runs(desk: Desk, *labels: Label) -> list[str]:
    return [each.id for each in desk.ask(desk.store.runs.page(100, None, RunFilter(labels=labels)))]


@pytest.mark.parametrize("about", [About(), MUCH, About(labels={"team": ""})], ids=["none", "much", "empty"])
def test_what_is_said_comes_back(desk: Desk, about: About) -> None:
    new = job(about=about)
    desk.add(new)
    assert desk.job(new.id) == new


def test_jobs_are_found_by_all_labels_that_are_asked_for(desk: Desk) -> None:
    both, one, other, none = labelled(team="data", env="prod"), labelled(team="data"), labelled(team="Data"), job()
    desk.add(both, one, other, none)
    assert found(desk, Label("team", "data")) == [both.id, one.id]
    assert found(desk, Label("team", "data"), Label("env", "prod")) == [both.id]
    assert found(desk, Label("team")) == [both.id, one.id, other.id]
    assert found(desk, Label("team"), task="nothing") == []
    assert found(desk, Label("team", "")) == []
    assert len(found(desk)) == 4


def test_a_job_is_found_by_the_labels_that_it_has_now(desk: Desk) -> None:
    one, other = labelled(team="data", env="prod"), labelled(team="data")
    desk.add(one, other)
    desk.bench.replace_job(attrs.evolve(one, about=About(labels={"team": "web"})))
    assert found(desk, Label("team", "data")) == [other.id]
    assert found(desk, Label("env")) == []
    assert found(desk, Label("team", "web")) == [one.id]


def test_runs_are_found_by_the_labels_of_their_jobs(desk: Desk) -> None:
    one, other = labelled(team="data"), labelled(team="web")
    desk.add(one, other)
    mine, others = run(job_id=one.id), run(job_id=other.id)
    desk.insert(mine, others, run(job_id="gone"))
    assert runs(desk, Label("team", "data")) == [mine.id]
    assert runs(desk, Label("team")) == [others.id, mine.id]
    desk.order(DeleteJob(job_id=one.id))
    assert runs(desk, Label("team", "data")) == []
    assert found(desk, Label("team", "data")) == []


def test_an_id_that_is_used_again_has_no_old_labels(desk: Desk) -> None:
    one = labelled(team="data")
    desk.add(one)
    desk.order(DeleteJob(job_id=one.id))
    desk.add(attrs.evolve(one, about=About()))
    assert found(desk, Label("team")) == []


def test_metrics_are_told_of_the_labels_that_they_show(desk: Desk) -> None:
    both, one = labelled(team="data", env="prod"), labelled(env="test")
    desk.add(both, one, labelled(secret="x"), job())

    def infos(*names: str, most: int = 10) -> list[JobInfo]:
        return desk.ask(desk.store.job_infos(names, most))

    assert infos("team", "env") == [
        JobInfo(id=both.id, task="task", labels={"team": "data", "env": "prod"}),
        JobInfo(id=one.id, task="task", labels={"env": "test"}),
    ]
    assert infos("team") == [JobInfo(id=both.id, task="task", labels={"team": "data"})]
    assert len(infos("env", most=1)) == 1
    assert infos("nobody") == []
