"""The order in which nodes try: each computes it alone, and all compute the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.ids import Ids
from jobsched.model.node import Node, NodeState, claim_rank, twins

T0 = datetime(2024, 1, 1, tzinfo=UTC)
IDS = Ids(random.Random(1).randbytes)  # the same ids each time: what is spread by chance is spread alike
GPU = {"gpu": "yes"}


def a_node(node_id: str, tasks: Sequence[str] = ("task",), **fields: Any) -> Node:
    return attrs.evolve(Node(id=node_id, name=node_id, tasks=tasks, since=T0, seen=T0), **fields)


def order(nodes: Sequence[Node], key: str, task: str = "task", require: Mapping[str, str] | None = None) -> list[str]:
    """The ids of those that take part, as each of them finds its own place."""
    places = {claim_rank(nodes, node.id, key, task, require or {}): node.id for node in nodes}
    return [places[place] for place in sorted(place for place in places if place is not None)]


node_lists = st.lists(st.text(min_size=1), min_size=1, max_size=8, unique=True).map(
    lambda ids: [a_node(node_id) for node_id in ids]
)
mixed_lists = st.lists(
    st.tuples(st.text(min_size=1), st.sampled_from([(), ("task",), ("other", "task")]), st.sampled_from([{}, GPU])),
    min_size=1,
    max_size=8,
    unique_by=lambda each: each[0],
).map(lambda each: [a_node(node_id, tasks, tags=tags) for node_id, tasks, tags in each])


@given(node_lists, st.text())
def test_every_node_has_one_place_and_no_two_the_same(nodes: list[Node], key: str) -> None:
    places = [claim_rank(nodes, node.id, key, "task", {}) for node in nodes]
    assert sorted(place for place in places if place is not None) == list(range(len(nodes)))


@pytest.mark.slow
@given(node_lists, st.text(), st.randoms())
def test_all_compute_the_same_order_however_they_list_the_nodes(
    nodes: list[Node], key: str, chance: random.Random
) -> None:
    shuffled = chance.sample(nodes, len(nodes))
    assert order(shuffled, key) == order(nodes, key)
    changed = [attrs.evolve(node, running=chance.randrange(9), seen=datetime.max.replace(tzinfo=UTC)) for node in nodes]
    assert order(changed, key) == order(nodes, key), "what changes at each heartbeat changes no order"


@given(node_lists.filter(lambda nodes: len(nodes) > 1), st.text(), st.data())
def test_one_that_goes_leaves_the_others_in_their_order(nodes: list[Node], key: str, pick: st.DataObject) -> None:
    gone = pick.draw(st.sampled_from(nodes))
    left = [node for node in nodes if node is not gone]
    assert order(left, key) == [node_id for node_id in order(nodes, key) if node_id != gone.id]


@given(mixed_lists, st.text(), st.sampled_from([{}, GPU]))
def test_those_that_can_take_part_and_if_none_can_all_do(
    nodes: list[Node], key: str, require: Mapping[str, str]
) -> None:
    able = {node.id for node in nodes if "task" in node.tasks and (not require or node.tags == GPU)}
    taking_part = order(nodes, key, require=require)
    assert len(taking_part) == len(set(taking_part))
    assert set(taking_part) == (able or {node.id for node in nodes})


def test_one_that_is_not_among_them_has_no_place() -> None:
    assert claim_rank([a_node("a"), a_node("b")], "c", "key", "task", {}) is None
    assert claim_rank([], "c", "key", "task", {}) is None


def test_load_is_spread_evenly_and_so_is_a_lost_nodes() -> None:
    nodes = [a_node(IDS.make(T0)) for _ in range(3)]
    keys = [IDS.make(T0) for _ in range(1000)]
    orders = [order(nodes, key) for key in keys]
    for place in range(3):
        shares = Counter(each[place] for each in orders)
        assert all(273 < shares[node.id] < 393 for node in nodes), "a third each, give or take four deviations"
    after_first = Counter(each[1] for each in orders if each[0] == nodes[0].id)
    assert min(after_first[nodes[1].id], after_first[nodes[2].id]) > 127, "about half of a third each"


@pytest.mark.parametrize(
    ("tags", "require", "matches"),
    [
        ({}, {}, True),
        ({"gpu": "yes"}, {}, True),
        ({"gpu": "yes", "room": "1"}, {"gpu": "yes"}, True),
        ({"gpu": "yes", "room": "1"}, {"room": "1", "gpu": "yes"}, True),
        ({"gpu": "no"}, {"gpu": "yes"}, False),
        ({"gpu": "yes"}, {"gpu": "yes", "room": "1"}, False),
        ({}, {"gpu": "yes"}, False),
    ],
)
def test_a_node_can_what_it_has_the_task_and_all_the_tags_for(
    tags: Mapping[str, str], require: Mapping[str, str], matches: bool
) -> None:
    node = a_node("a", tags=tags)
    assert node.matches(require) is matches
    assert node.can("task", require) is matches
    assert not node.can("other", require)


def named(name: str, state: NodeState = "alive") -> Node:
    return attrs.evolve(a_node(IDS.make(T0)), name=name, state=state)


def test_twins_are_the_living_nodes_of_one_name() -> None:
    assert twins([]) == set()
    assert twins([named("a"), named("b"), named("b", "stopped"), named("b", "dead"), named("c", "dead")]) == set()
    assert twins([named("a"), named("b"), named("b"), named("b"), named("c"), named("c"), named("A")]) == {"b", "c"}
