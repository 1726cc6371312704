"""What is said of dues that passed while nothing ran: by the store of one daemon, and by that of several nodes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.downtime import NO_DAEMON, Downtime, DowntimeCost
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from tests.store.samples import Desk, asks, at, job, node

pytestmark = pytest.mark.usefixtures("told_time")
STRICT = Policy(misfire_grace=timedelta(seconds=5))


def lived(name: str, since: float, seen: float, state: str = "dead", **fields: Any) -> Node:
    return node(name, since=at(since), seen=at(seen), state=state, **fields)


def reasons(desk: Desk, now: float, me: Node, *others: Node, known: tuple[Node, ...] = (), **fields: Any) -> list[str]:
    """Why dues of a job of each minute were missed, as `me` finds them at that time."""
    one: Job = job(policy=fields.pop("policy", STRICT), **fields)
    desk.add(one)
    desk.know(me, *others, *known)
    desk.claim(now, one, **asks(me, *others, able_since=at(now)))
    return [run.reason for run in desk.runs() if run.state == "missed"]


ME = lived("me", 500, 520, "alive")
GRACE = "found later than misfire_grace (5 s) allows"
DOWN = "no node that could run it lived from 2024-01-01T00:02:30Z until 2024-01-01T00:08:20Z (5 min 50 s)"


def test_the_last_alive_before_and_the_first_after_are_told(desk: Desk) -> None:
    known = (lived("a", 0, 70), lived("b", 20, 150, "stopped"), lived("me", 0, 90, id="the one before"))
    assert reasons(desk, 521, ME, known=known) == [GRACE, DOWN]
    assert [run.count for run in desk.runs()] == [2, 6], "those before the last sign of life are another matter"


def test_no_downtime_while_another_that_could_run_it_lived(desk: Desk) -> None:
    known = (lived("a", 0, 150), lived("b", 20, 510))
    assert reasons(desk, 521, ME, known=known) == [GRACE]


def test_a_node_that_could_not_run_it_does_not_count(desk: Desk) -> None:
    known = (lived("a", 0, 150), lived("b", 20, 510, tasks=("other",)))
    assert reasons(desk, 521, ME, known=known) == [GRACE, DOWN]


def test_it_ended_when_the_first_of_several_came(desk: Desk) -> None:
    later = lived("later", 510, 521, "alive")
    assert reasons(desk, 521, ME, later, known=(lived("a", 0, 150),)) == [GRACE, DOWN]


def test_of_the_first_node_that_ever_was_nothing_is_known(desk: Desk) -> None:
    assert reasons(desk, 521, ME) == [GRACE]


def test_what_catch_up_asks_is_said_with_it(desk: Desk) -> None:
    policy = Policy(catch_up="none", misfire_grace=None)
    assert reasons(desk, 521, ME, known=(lived("a", 0, 150),), policy=policy)[-1] == f"{DOWN}, and catch_up is none"


def test_in_each_place_of_a_job_for_every_node(desk: Desk) -> None:
    policy = attrs.evolve(STRICT, placement="every")
    found = reasons(desk, 521, ME, lived("b", 512, 521, "alive"), known=(lived("a", 0, 150),), policy=policy)
    assert sorted(set(found)) == sorted({GRACE, DOWN, "node a was down, last seen 2024-01-01T00:02:30Z"})


def test_a_daemon_of_its_own_says_what_it_knows(desk: Desk) -> None:
    one = job(policy=STRICT)
    desk.add(one)
    down = Downtime(at(150), at(500), NO_DAEMON)
    desk.claim(521, one, peers=(node("node", id="here"),), downtimes=(down,))
    assert [run.reason for run in desk.runs()] == [
        GRACE,
        DOWN.replace("no node that could run it lived", "no daemon ran"),
    ]


# What it cost


@pytest.mark.parametrize(
    ("known", "begin"),
    [
        ((), None),
        ((lived("a", 0, 70), lived("b", 0, 90, "stopped")), 90),
        ((lived("a", 0, 70), lived("b", 0, 510, "alive")), None),
        ((lived("a", 0, 70), lived("b", 0, 505)), None),
        ((lived("a", 0, 70), lived("b", 501, 520, "alive")), 70),
        ((lived("a", 0, 70), lived("b", 499, 520, "alive")), None),
    ],
)
def test_the_first_that_begins_again_tells_and_no_other(
    desk: Desk, known: tuple[Node, ...], begin: float | None
) -> None:
    desk.know(ME, *known)
    down = desk.ask(desk.store.downtimes.before(ME.id))
    assert (down and (down.begin, down.end)) == (None if begin is None else (at(begin), at(500)))
    assert desk.ask(desk.store.downtimes.before("nobody")) is None


def test_dues_and_jobs_are_counted_once_all_are_decided(desk: Desk) -> None:
    strict, soon, paused = job(policy=STRICT), job(400, policy=STRICT), job(paused=True)
    desk.add(strict, soon, paused)
    assert desk.ask(desk.store.downtimes.cost(at(500))) == DowntimeCost(jobs=0, dues=0, whole=False)
    desk.claim(501, strict)
    assert desk.ask(desk.store.downtimes.cost(at(500))) == DowntimeCost(jobs=1, dues=8, whole=False)
    desk.claim(501, soon)
    assert desk.ask(desk.store.downtimes.cost(at(500))) == DowntimeCost(jobs=2, dues=9, whole=True)
    later = job(550, policy=STRICT)
    desk.add(later)
    desk.claim(590, later)
    assert desk.states().count("missed") == 3
    assert desk.ask(desk.store.downtimes.cost(at(500))) == DowntimeCost(jobs=2, dues=9, whole=True), "not those since"
