"""Retention on a real store: what is kept, what goes, and that files go with their rows."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import cast

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import fail, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from jobsched.model.audit import Entry
from jobsched.model.ids import Ids
from jobsched.model.order import ChangeJob, IdempotencyKey, PauseJob
from jobsched.model.run import Run
from jobsched.runner import retention
from jobsched.runner.output_file import output_path
from jobsched.runner.retention import EVERY, FOLDERS, MANY, SOON, Retention
from jobsched.threads import InThread
from tests.store.samples import T0, job

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
IN_THREAD = cast(InThread, maybeDeferred)  # the files are looked at in this very thread


class Kept:
    """A store with runs of some ages, and the files of their output."""

    def __init__(self, store, desk, folder):
        self.store, self.desk, self.folder = store, desk, folder
        self.clock = Clock()
        self.clock.rightNow = NOW.timestamp()

    async def add(self, job, *ages, state="succeeded"):
        """Runs made so many days ago, each with a file; their ids."""
        made, ids = [NOW - age * DAY for age in ages], Ids()
        runs = [
            Run(id=ids.make(at), job_id=job, job_name=job, task="t", due=at + n * timedelta(microseconds=1),
                created=at, state=state, reason="for a test")
            for n, at in enumerate(made)
        ]  # fmt: skip
        self.desk.insert(*runs)
        for run in runs:
            path = output_path(self.folder, run.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("printed")
        return [run.id for run in runs]

    def retention(self, keep_runs=1000, keep_days=30.0, **more):
        made = Retention(self.clock, self.store, IN_THREAD, self.folder, keep_runs, keep_days, **more)
        made.startService()
        return made

    async def prune(self, **keep):
        made = self.retention(**keep)
        try:
            await made.prune()
        finally:
            await made.stopService()

    async def left(self):
        """The ids of the runs that are left; each, and no other, has its file."""
        ids = sorted(run.id for run in self.desk.runs())
        assert ids == sorted(path.stem for path in self.folder.glob("*/*.log"))
        return ids


def make_old(path):
    """Two hours, as its host counts them."""
    then = time.time() - 7200
    os.utime(path, (then, then))


@pytest.fixture
def kept(store, desk, tmp_path):
    return Kept(store, desk, tmp_path / "output")


@pytest_twisted.ensureDeferred
async def test_of_each_job_the_newest_runs_stay(kept):
    many = await kept.add("many", *[n / 100 for n in range(12, 0, -1)])
    few = await kept.add("few", 5, 4, 3)
    await kept.prune(keep_runs=5)
    assert await kept.left() == sorted(many[-5:] + few)
    await kept.prune(keep_runs=5)
    assert await kept.left() == sorted(many[-5:] + few)


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_many_runs_do_not_wait_for_the_next_minute(kept):
    runs = await kept.add("job", 3, 2, 1)
    made = kept.retention(keep_runs=2)

    async def later(seconds, ended):
        kept.clock.rightNow += seconds
        for _ in range(ended):
            made.run_over()
        await made._pruning
        return await kept.left()

    assert await later(0, MANY - 1) == runs
    assert await later(0, 1) == runs[1:]
    runs = runs[1:] + await kept.add("job", 0)
    assert await later(SOON - 1, MANY) == runs, "so soon again"
    assert await later(1, MANY) == runs[1:]
    await made.stopService()


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_a_clock_that_has_just_leapt_ahead_makes_nothing_old(kept):
    runs = await kept.add("job", 3, 2, 1)
    made = kept.retention(keep_runs=2)

    async def later(seconds):
        kept.clock.rightNow += seconds
        await made.prune()
        return await kept.left()

    with capturedLogs() as logs:
        assert await later(60) == runs[1:]
        assert await later(400 * 86_400) == runs[1:]  # a clock that is wrong for a minute,
        assert await later(60 - 400 * 86_400) == runs[1:]
        assert await later(400 * 86_400) == runs[1:]
        assert await later(3500) == runs[1:]  # or for an hour
    words = "the clock leapt ahead by more than an hour: for an hour nothing is forgotten for its age"
    assert [formatEvent(event) for event in logs] == [words] * 2
    assert await later(120) == [], "it was right"
    await made.stopService()


@pytest.mark.parametrize(("away", "left"), [(0.5, 0), (1.5, 1)])
@pytest_twisted.ensureDeferred
async def test_nor_does_one_that_is_far_ahead_at_the_start(kept, away, left):
    await kept.add("job", 40)
    made = kept.retention(last_sign=lambda: NOW - timedelta(hours=away))
    await made.prune()
    assert len(await kept.left()) == left
    await made.stopService()


@pytest_twisted.ensureDeferred
async def test_records_that_nothing_ran_do_not_push_out_runs_that_did(kept):
    ran = await kept.add("job", 9, 8, 7, 6, 5)
    idle = await kept.add("job", 4, 3.5, state="skipped") + await kept.add("job", 3, 2, 1, state="missed")
    idle += await kept.add("job", 0.5, state="cancelled")  # while it waited
    quiet = await kept.add("quiet", 3, state="skipped") + await kept.add("quiet", 2, 1)
    await kept.prune(keep_runs=3)
    assert await kept.left() == sorted(ran[-3:] + idle[-3:] + quiet)
    assert await kept.store.retention.crowded(3) == []
    assert set(await kept.store.retention.crowded(2)) == {"job"}


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_up_to_where_dues_may_have_no_record_is_noted(kept):
    one = attrs.evolve(job(), id="job", forgotten=None)
    kept.desk.add(one)
    await kept.add("job", 9, 7, 5, 3)
    await kept.add("job", 8, 6, 4, 2, state="skipped")
    await kept.prune(keep_runs=4)
    assert kept.desk.job("job").forgotten is None
    kept.clock.rightNow += EVERY
    await kept.prune(keep_runs=3)
    assert kept.desk.job("job").forgotten == NOW - 8 * DAY
    kept.clock.rightNow += EVERY
    await kept.prune(keep_runs=2)
    assert kept.desk.job("job").forgotten == NOW - 6 * DAY + TICK
    for order in (PauseJob(job_id="job"), ChangeJob(job_id="job", versions=None, revise=lambda job, _: job)):
        kept.desk.order(order, (NOW - T0).total_seconds())
    assert kept.desk.job("job").forgotten == NOW - 6 * DAY + TICK


@pytest_twisted.ensureDeferred
async def test_what_is_too_old_goes_whatever_its_job(kept):
    one = await kept.add("one", 40, 31, 29, 1)
    two = await kept.add("two", 30.001)
    await kept.prune()
    assert await kept.left() == sorted(one[2:])
    assert two[0] not in await kept.left()


@pytest.mark.parametrize("state", ["waiting", "running", "stopping"])
@pytest_twisted.ensureDeferred
async def test_what_is_active_stays_however_old_it_is(kept, state):
    active = await kept.add("job", 90, 60, state=state)
    newer = await kept.add("job", 3, 2, 1)
    await kept.prune(keep_runs=1)
    assert await kept.left() == sorted([*active, newer[-1]])


@pytest_twisted.ensureDeferred
async def test_many_go_in_small_batches_in_one_round(kept, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    old = await kept.add("old", *[50] * 35)
    new = await kept.add("new", *[1] * 47)
    await kept.prune(keep_runs=3)
    assert await kept.left() == sorted(new[-3:])
    assert not set(old) & set(await kept.left())


@pytest_twisted.ensureDeferred
async def test_it_prunes_every_minute_and_outlives_a_failure(kept):
    made = kept.retention(keep_runs=1)
    runs = await kept.add("job", 3, 2)
    rows, made._rows = made._rows, None  # an outage of the worst kind
    kept.clock.advance(60)
    assert await kept.left() == sorted(runs)
    made._rows = rows
    kept.clock.advance(60)
    await made._pruning
    await made.stopService()
    assert await kept.left() == runs[-1:]


# What a round costs


@pytest.fixture
def asked(store, monkeypatch):
    """The jobs whose runs were counted, and those that were thinned out."""
    counted, thinned = [], []
    counts, beyond = store.retention.counts, store.retention.forget_runs_beyond

    def watch_counts(job_ids):
        counted.append(sorted(job_ids))
        return counts(job_ids)

    def watch_beyond(job_id, *more):
        thinned.append(job_id)
        return beyond(job_id, *more)

    monkeypatch.setattr(store.retention, "counts", watch_counts)
    monkeypatch.setattr(store.retention, "forget_runs_beyond", watch_beyond)
    return counted, thinned


def minutes(*count):
    """Ages of runs that are made so many minutes after NOW."""
    return [-minute / 1440 for minute in count]


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_only_jobs_with_new_runs_that_may_be_too_many_are_seen(kept, asked):
    counted, thinned = asked
    await kept.add("full", *[n / 100 for n in range(40, 0, -1)])
    await kept.add("half", *[n / 100 for n in range(20, 0, -1)])
    await kept.add("still", *[n / 100 for n in range(40, 0, -1)])
    await kept.add("mixed", *[n / 100 for n in range(22, 0, -1)])
    await kept.add("mixed", *[n / 101 for n in range(22, 0, -1)], state="skipped")
    made = kept.retention(keep_runs=40)  # and a twentieth, which are two more
    await made.prune()
    assert (counted, thinned) == ([], [])
    for minute in range(1, 8):
        await kept.add("full", *minutes(minute))
        await kept.add("half", *minutes(minute))
        await kept.add("mixed", *minutes(minute))
        kept.clock.rightNow += EVERY
        await made.prune()
    await made.stopService()
    assert counted[0] == ["full", "half", "mixed"], "it is not known yet how many they have"
    assert {job for jobs in counted[1:] for job in jobs} == {"full"}
    assert thinned == ["full"] * 4, "each time that it has three more than it keeps: those that ran, and the others"
    assert len([run for run in kept.desk.runs() if run.job_id == "full"]) == 41
    await kept.left()


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_one_node_does_it_for_all_and_another_when_it_does_not(kept):
    made, other = kept.retention(keep_runs=1), kept.retention(keep_runs=1)
    await made.prune()
    kept.clock.rightNow += EVERY / 2
    runs = await kept.add("job", *minutes(0.1, 0.2))
    await other.prune()
    assert await kept.left() == runs
    kept.clock.rightNow += EVERY / 2
    await other.prune()
    assert await kept.left() == runs[1:]
    await made.stopService()
    await other.stopService()


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_all_jobs_are_seen_when_fewer_runs_are_kept_than_before(kept):
    runs = await kept.add("job", *[n / 100 for n in range(9, 0, -1)])
    await kept.prune(keep_runs=9)
    kept.clock.rightNow += EVERY
    await kept.prune(keep_runs=5)
    assert await kept.left() == runs[-5:]


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_all_jobs_are_looked_at_when_the_clock_was_set_back(kept):
    await kept.prune(keep_runs=2)
    kept.clock.rightNow -= 86_400
    runs = await kept.add("job", 1.3, 1.2, 1.1)
    await kept.prune(keep_runs=2)
    assert await kept.left() == runs[-2:]


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_all_jobs_are_looked_at_again_after_a_round_that_failed(kept, monkeypatch):
    runs = await kept.add("job", 3, 2, 1)
    crowded = kept.store.retention.crowded
    monkeypatch.setattr(kept.store.retention, "crowded", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await kept.prune(keep_runs=2)
    monkeypatch.setattr(kept.store.retention, "crowded", crowded)
    await kept.prune(keep_runs=2)
    assert await kept.left() == runs, "the turn was taken"
    kept.clock.rightNow += EVERY
    await kept.prune(keep_runs=2)
    assert await kept.left() == runs[-2:]


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_a_job_that_cannot_be_pruned_keeps_no_other_from_it(kept, monkeypatch):
    beyond = kept.store.retention.forget_runs_beyond

    def picky(job_id, *more):
        return fail(ValueError("not that one")) if job_id == "bad" else beyond(job_id, *more)

    monkeypatch.setattr(kept.store.retention, "forget_runs_beyond", picky)
    jobs = {name: await kept.add(name, 3, 2, 1) for name in ("a", "bad", "c")}
    with capturedLogs() as logs:
        await kept.prune(keep_runs=1)
    assert await kept.left() == sorted([jobs["a"][-1], *jobs["bad"], jobs["c"][-1]])
    assert "old runs of job bad could not be pruned" in [formatEvent(event) for event in logs]


@pytest_twisted.ensureDeferred
async def test_a_key_is_forgotten_after_its_day_and_not_before(kept):
    key = IdempotencyKey(scope="/jobs", key="k", digest="d")
    old = attrs.evolve(key, key="old")
    kept.desk.bench.add_key(key, "target", NOW - timedelta(hours=23))
    kept.desk.bench.add_key(old, "target", NOW - timedelta(hours=25))
    await kept.prune()
    assert kept.desk.bench.keys() == [key]


@pytest_twisted.ensureDeferred
async def test_a_file_that_a_dead_daemon_forgot_goes_when_it_is_old(kept):
    run = (await kept.add("job", 1))[0]
    await kept.prune()
    stray = kept.folder / "ab" / "stray.log"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("x")
    retention.sweep(kept.folder, 3600)
    assert stray.exists()
    retention.sweep(kept.folder, -1)
    assert not stray.exists()
    assert not output_path(kept.folder, run).exists()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_no_link_is_followed_and_what_stays_blocks_nothing_else(kept, tmp_path):
    """Whoever may write a folder of ours could have the daemon delete what only it may."""
    paths = [output_path(kept.folder, run) for run in await kept.add("job", *range(40, 60))]
    linked, replaced, odd = list({path.parent: path for path in paths}.values())[:3]  # each in another folder
    others = linked.parent.rename(tmp_path / "others")
    linked.parent.symlink_to(others)
    (others / "precious.log").write_text("x")
    replaced.unlink()
    replaced.symlink_to(others / "precious.log")
    odd.unlink()
    odd.mkdir()
    os.mkfifo(odd.parent / "fifo.log")
    before = sorted(path.name for path in others.iterdir())
    with capturedLogs() as logs:
        await kept.prune()
    assert sorted(path.name for path in others.iterdir()) == before
    assert [path for path in paths if os.path.lexists(path) and path.parent != linked.parent] == [odd]
    said = [formatEvent(event) for event in logs]
    assert f"{linked} could not be deleted: is not a folder" in said
    assert f"{odd} could not be deleted: Is a directory" in said
    retention.sweep(kept.folder, -1)
    assert sorted(path.name for path in others.iterdir()) == before
    assert not (odd.parent / "fifo.log").exists()


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_files_of_runs_that_other_nodes_pruned_go_by_folder(kept, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    runs = await kept.add("job", *[n / 100 for n in range(40, 0, -1)])
    await kept.store.retention.forget_runs_beyond("job", 5, 1000, True, NOW)  # as another node does it: our files stay
    foreign = kept.folder / "00" / "not-an-output.log"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("x")
    for path in (foreign, *(output_path(kept.folder, run) for run in runs[1:])):
        make_old(path)
    young = output_path(kept.folder, runs[0])
    made = kept.retention()
    for _ in range(FOLDERS):
        await made.prune()
        kept.clock.rightNow += EVERY
    await made.stopService()
    left = sorted(kept.folder.glob("*/*.log"))
    assert left == sorted([young, foreign, *(output_path(kept.folder, run) for run in runs[-5:])])


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_node_that_is_alone_looks_for_no_strays(kept):
    run = (await kept.add("job", 1))[0]
    await kept.store.retention.forget_runs_beyond("job", 0, 10, True, NOW)
    path = output_path(kept.folder, run)
    make_old(path)
    made = kept.retention()
    for _ in range(FOLDERS):
        await made.prune()
        kept.clock.rightNow += EVERY
    await made.stopService()
    assert path.exists()


@pytest.mark.usefixtures("told_time")
@pytest_twisted.ensureDeferred
async def test_entries_of_the_trail_go_by_their_own_age_in_batches(kept, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    ids = Ids()
    ages = [*[400] * 25, 366, 364, 40, 1]
    for n, age in enumerate(ages):
        at = NOW - age * DAY + timedelta(seconds=n)
        entry = Entry(id=ids.make(at), at=at, who=None, address="unix", node="n", action="job.create")
        kept.desk.bench.add_entries([entry])
    await kept.prune(keep_days=30)
    assert [(NOW - entry.at).days for entry in kept.desk.bench.entries()] == [363, 39, 0]

    kept.clock.rightNow += EVERY
    made = Retention(kept.clock, kept.store, IN_THREAD, kept.folder, 1000, 30, audit_days=10)
    made.startService()
    await made.prune()
    await made.stopService()
    assert len(kept.desk.bench.entries()) == 1
