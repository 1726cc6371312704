"""Which nodes may have what a run printed."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from jobsched.model.node import Node
from jobsched.model.output_location import OutputLocation, elsewhere
from jobsched.model.run import Run

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def node(name, number=0, **fields):
    since = T0 + timedelta(seconds=number)
    url = f"http://{name}{number}"
    return Node(**({"id": f"{name}-{number}", "name": name, "url": url, "since": since, "seen": since} | fields))


def run(of):
    return Run(id="r", job_id="j", job_name="j", task="t", due=T0, created=T0, node=of.name, node_id=of.id)


HERE, A, B = node("here"), node("a"), node("b")


def test_the_node_that_executed_it_is_asked():
    assert elsewhere(run(A), HERE.id, [HERE, B, A]).urls == ("http://a0",)


@pytest.mark.parametrize("state", ["dead", "stopped"])
def test_one_that_is_gone_is_not_asked(state):
    where = elsewhere(run(A), HERE.id, [HERE, attrs.evolve(A, state=state)])
    assert where == OutputLocation(lack="node a, which has the whole, cannot be reached")
    assert elsewhere(run(A), HERE.id, [HERE]) == where


def test_its_later_start_has_the_old_files_the_newest_first():
    old, later = attrs.evolve(A, state="dead"), [node("a", 7), node("a", 3)]
    assert elsewhere(run(A), HERE.id, [later[0], HERE, later[1], old]).urls == ("http://a7", "http://a3")


def test_a_namesake_is_not_asked_while_the_right_node_lives():
    assert elsewhere(run(A), HERE.id, [node("a", 7), HERE, A]).urls == ("http://a0",)


def test_one_without_an_address_cannot_be_asked():
    where = elsewhere(run(A), HERE.id, [HERE, attrs.evolve(A, url=None)])
    assert where == OutputLocation(lack="node a, which has the whole, has no NODE_URL")


def test_when_it_should_be_here_and_is_not_it_is_gone():
    before = attrs.evolve(node("here", -1), state="dead")
    gone = OutputLocation(lack="node here no longer has the whole", gone=True)
    assert elsewhere(run(before), HERE.id, [HERE, before, A]) == gone
    assert elsewhere(run(HERE), HERE.id, [HERE, A]) == gone


def test_a_twin_is_asked_when_it_should_be_here_and_is_not():
    before, twin = attrs.evolve(node("here", -1), state="dead"), node("here", 5)
    assert elsewhere(run(before), HERE.id, [twin, HERE, before]).urls == ("http://here5",)
