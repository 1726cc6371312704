"""Runs that are kept while their node is cut off: which go on, and what becomes of them when it is heard again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import attrs
from twisted.internet.defer import Deferred, succeed

from jobsched.model.errors import Unavailable
from jobsched.model.run import OnIsolation, Run
from jobsched.runner.active import OTHERWISE, Active
from jobsched.runner.deadline import Stop
from jobsched.runner.elsewhere import ExecutorCall
from jobsched.runner.isolation import Isolation

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 2, tzinfo=UTC)


class World:
    """A runner's runs, and a store that gives what it is told to."""

    def __init__(self) -> None:
        self.active: dict[str, Active] = {}
        self.noted: list[Run] = []
        self.stopped: list[tuple[str, Stop]] = []
        self.calls, self.store = Mock(), Mock()
        self.calls.has.side_effect = lambda run_id: not run_id.startswith("untold")
        self.isolation = Isolation(self.active, self.calls, self.store, self.note)

    def note(self, active: Active, run: Run) -> None:
        active.run = run
        self.noted.append(run)

    def run(self, run_id: str, on_isolation: OnIsolation = "keep", in_executor: bool = True, **more: Any) -> Active:
        run = Run(
            id=run_id, job_id="job", job_name="job", task="task", due=NOW, created=NOW, node_id="old",
            state="running", on_isolation=on_isolation, **more,
        )  # fmt: skip
        call = ExecutorCall(run_id, lambda why: self.stopped.append((run_id, why))) if in_executor else Mock()
        self.active[run_id] = active = Active(run, call=call)
        return active

    def heard(self, node_id: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self.isolation.end(node_id))

    def asked(self) -> list[Any]:
        return [each.args for each in self.store.runs.adopt.call_args_list]


def test_only_what_an_executor_has_and_is_to_be_kept_goes_on() -> None:
    world = World()
    world.run("kept")
    world.run("ends", "end")
    world.run("untold")
    world.run("in a thread", in_executor=False)
    assert world.isolation.begin(NOW) == ["ends", "untold", "in a thread"]
    assert world.isolation.kept == {"kept"}
    assert world.active["kept"].run.isolated == NOW
    world.isolation.begin(LATER)
    assert world.active["kept"].run.isolated == NOW, "since then"


def test_without_such_runs_the_store_is_not_asked() -> None:
    world = World()
    world.run("kept")
    assert world.heard("new").called
    assert world.asked() == []


def test_what_the_store_gives_goes_on_and_the_rest_is_ended() -> None:
    world = World()
    runs = [world.run("given", pid=7).run, world.run("other").run]
    world.isolation.begin(NOW)
    back = attrs.evolve(runs[0], node_id="new", reason="again", isolated=LATER, pid=None)
    world.store.runs.adopt.return_value = succeed([back])
    world.heard("new")
    assert world.asked() == [(["given", "other"], "new", ["old"])]
    assert world.noted == [attrs.evolve(back, pid=7)], "the store may not know its process yet"
    assert world.stopped == [("other", OTHERWISE)]
    assert world.isolation.kept == set()


def test_what_ends_while_the_store_answers_has_its_outcome() -> None:
    world = World()
    active = world.run("kept")
    world.isolation.begin(NOW)
    answer: Deferred[list[Run]] = Deferred()
    world.store.runs.adopt.return_value = answer
    world.heard("new")
    given = active.run
    active.run = given.become("failed", reason="exit code 1", ended=LATER, exit_code=1)
    del world.active["kept"]
    answer.callback([attrs.evolve(given, node_id="new")])
    assert world.noted == [attrs.evolve(active.run, node_id="new")]
    assert (world.noted[0].state, world.noted[0].exit_code) == ("failed", 1)


def test_a_store_that_does_not_answer_is_asked_under_each_id() -> None:
    world = World()
    active = world.run("kept")
    world.isolation.begin(NOW)
    world.store.runs.adopt.side_effect = Unavailable("away")
    failed: list[Any] = []
    world.heard("first").addErrback(failed.append)
    assert len(failed) == 1
    world.store.runs.adopt.side_effect = None
    world.store.runs.adopt.return_value = succeed([attrs.evolve(active.run, node_id="second")])
    world.heard("second")
    assert [(node, before) for _, node, before in world.asked()] == [("first", ["old"]), ("second", ["first", "old"])]
    assert active.run.node_id == "second"
