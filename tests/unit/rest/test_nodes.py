"""Who shares the store, and where a job may run: what is shown of nodes, what a job says of them."""

import json
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from jobsched.http.site import site
from jobsched.model.node import TWIN, Node
from jobsched.rest.nodes import Nodes
from tests.unit.rest.conftest import Reactor, ask

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@attrs.frozen
class ConnectionGate:
    """A registry that knows nodes and nothing else."""

    known: list[Node]

    async def nodes(self):
        return self.known


def node(node_id, name, **more):
    return Node(id=node_id, name=name, since=T0, seen=T0 + timedelta(seconds=2.5), **more)


def shown(*known):
    return ask(site(Nodes(ConnectionGate(list(known))).routes(), Reactor()), "GET", "/nodes").json["values"]  # type: ignore[arg-type]  # a fake


def patch(front, job, changes):
    """The answer to a merge patch."""
    return ask(front.site, "PATCH", job, json.dumps(changes).encode())


# What is shown.


def test_a_node_is_shown_whole():
    full = node("an id", "alpha", url="http://alpha", tags={"disk": "ssd"}, tasks=("b", "a"), version="1.2",
                state="alive", running=3, slots=61, tried=9, won=8)  # fmt: skip
    assert shown(full) == [
        {
            "id": "an id",
            "name": "alpha",
            "url": "http://alpha",
            "tags": {"disk": "ssd"},
            "tasks": ["b", "a"],
            "version": "1.2",
            "since": "2026-01-01T00:00:00Z",
            "seen": "2026-01-01T00:00:02.500000Z",
            "state": "alive",
            "running": 3,
            "slots": 61,
            "claims": {"tried": 9, "won": 8},
            "problem": None,
        }
    ]


def test_nodes_keep_their_order_and_only_living_ones_disturb():
    found = shown(
        node("4", "alpha"),
        node("3", "beta"),
        node("2", "alpha", state="dead"),
        node("1", "alpha"),
        node("0", "beta", state="stopped"),
    )
    assert [(each["id"], each["state"], each["problem"]) for each in found] == [
        ("4", "alive", TWIN),
        ("3", "alive", None),
        ("2", "dead", None),
        ("1", "alive", TWIN),
        ("0", "stopped", None),
    ]


def test_nodes_can_be_read_and_nothing_else(front):
    answer = ask(front.site, "DELETE", "/nodes")

    assert (answer.problem[0], set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


# What a job says.


def test_a_job_says_where_it_may_run_by_default_anywhere(front):
    plain, picky = front.job(), front.job(placement="every", require={"disk": "ssd", "a/b ~": "ü"})

    assert [(job["placement"], job["require"]) for job in front.get("/jobs").json["values"]] == [
        ("any", {}),
        ("every", {"disk": "ssd", "a/b ~": "ü"}),
    ]
    assert front.get(plain).json["require"] == {}
    assert front.get(picky).json["placement"] == "every"


def test_the_most_and_longest_tags_allowed_can_be_asked_for(front):
    require = {f"{number:064}": "x" * 200 for number in range(32)}

    assert front.get(front.job(require=require)).json["require"] == require


@pytest.mark.parametrize(
    ("changes", "placement", "require"),
    [
        ({"name": "other"}, "every", {"disk": "ssd", "room": "1"}),
        ({"placement": None}, "any", {"disk": "ssd", "room": "1"}),
        ({"placement": "any"}, "any", {"disk": "ssd", "room": "1"}),
        ({"require": {}}, "every", {"disk": "ssd", "room": "1"}),
        ({"require": {"room": "2"}}, "every", {"disk": "ssd", "room": "2"}),
        ({"require": {"gpu": "yes"}}, "every", {"disk": "ssd", "room": "1", "gpu": "yes"}),
        ({"require": {"room": None, "unheard": None}}, "every", {"disk": "ssd"}),
        ({"require": None, "placement": None}, "any", {}),
    ],
)
def test_a_patch_changes_each_tag_by_itself(front, changes, placement, require):
    job = front.job(placement="every", require={"disk": "ssd", "room": "1"})
    answer = patch(front, job, changes)

    assert answer.status == 200, answer.body
    assert (answer.json["placement"], answer.json["require"]) == (placement, require)
    assert front.get(job).json == answer.json


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"placement": "some"}, "/placement"),
        ({"placement": 1}, "/placement"),
        ({"require": "disk"}, "/require"),
        ({"require": {"disk": 1}}, "/require/disk"),
        ({"require": {"disk": ""}}, "/require/disk"),
        ({"require": {"a\tb": "x"}}, "/require/a\tb"),
        ({"require": {"x" * 65: "x"}}, "/require/" + "x" * 65),
        ({"require": {"one more": "x"}}, "/require"),
        ({"placement": "any", "require": {"0": "2"}, "jitter": -1}, "/jitter"),
    ],
)
def test_a_patch_that_makes_no_sense_changes_nothing(front, changes, pointer):
    job = front.job(placement="every", require={str(number): "1" for number in range(32)})
    before = front.get(job).json
    status, _, pointers = patch(front, job, changes).problem

    assert (status, pointers) == (400, [pointer])
    assert front.get(job).json == before


def test_a_tag_can_take_anothers_place_when_there_are_the_most(front):
    job = front.job(require={str(number): "1" for number in range(32)})

    assert patch(front, job, {"require": {"0": None, "32": "1"}}).status == 200
    assert front.get(job).json["require"] == {str(number): "1" for number in range(1, 33)}


def test_a_run_names_the_node_that_runs_it_or_that_it_waits_for(front):
    job = front.job()
    runs = [
        front.run(job, 1, state="waiting"),
        front.run(job, 2, state="waiting", place="beta"),
        front.run(job, 3, state="running", place="beta", node="beta"),
        front.run(job, 4, node="alpha"),
    ]
    assert [front.get(f"/runs/{run}").json["node"] for run in runs] == [None, "beta", "beta", "alpha"]
