"""Tables of what may follow what: those of runs, of their processes and of nodes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from jobsched.model.node import MEMBERSHIP
from jobsched.model.run import PROCESS, STATES
from jobsched.model.state_machine import Impossible, StateMachine

DOCS = Path(__file__).parents[3] / "docs"
MACHINES = {"run": STATES, "process": PROCESS, "node": MEMBERSHIP}

DOOR = StateMachine[str, str](
    states=("open", "shut", "locked", "gone"),
    begins={"build": "open"},
    table={
        ("open", "push"): "shut", ("shut", "pull"): "open", ("shut", "turn"): "locked", ("locked", "turn"): "shut",
        ("open", "burn"): "gone", ("shut", "burn"): "gone", ("locked", "burn"): "gone", ("gone", "burn"): "gone",
    },
)  # fmt: skip


def test_what_happens_leads_to_the_next_state() -> None:
    assert DOOR.after("shut", "turn") == "locked"
    assert DOOR.after("locked", "turn") == "shut"
    assert DOOR.where("turn") == ("shut", "locked")
    assert DOOR.final == ("gone",)


def test_what_the_table_does_not_have_is_a_fault() -> None:
    with pytest.raises(Impossible, match="'pull' cannot happen in the state 'locked'"):
        DOOR.after("locked", "pull")
    DOOR.check("shut", "locked")
    with pytest.raises(Impossible, match="'open' cannot become 'locked'"):
        DOOR.check("open", "locked")


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_each_state_can_be_reached(machine: StateMachine[Any, Any]) -> None:
    reached: set[str] = set()
    fresh = set(machine.begins.values())
    while fresh:
        reached |= fresh
        fresh = {after for (before, _), after in machine.table.items() if before in fresh} - reached
    assert reached == set(machine.states)
    assert {state for state, _ in machine.table} <= reached


def test_the_drawings_are_those_of_the_tables() -> None:
    spec = importlib.util.spec_from_file_location("drawings", DOCS / "drawings.py")
    assert spec is not None
    assert spec.loader is not None
    drawings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawings)
    assert {drawing.machine for drawing in drawings.DRAWINGS.values()} == set(MACHINES.values())
    for name, drawing in drawings.DRAWINGS.items():
        drawn = (DOCS / f"{name}.svg").read_text("utf-8")
        assert drawn == drawing.svg(), "python docs/drawings.py was not run"
    assert {path.stem for path in DOCS.glob("states-*.svg")} == set(drawings.DRAWINGS)
