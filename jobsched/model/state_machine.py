"""Which state may follow which, as a table. `docs/drawings.py` draws the tables of runs, their processes and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import attrs

StateT = TypeVar("StateT", bound=str)
EventT = TypeVar("EventT", bound=str)


class Impossible(Exception):
    """An event came in a state that does not allow it: a fault of ours."""


@attrs.frozen(kw_only=True, eq=False)
class StateMachine(Generic[StateT, EventT]):
    """`begins` gives the state after a first event, `table` the state that follows on (state, event). Events in
    `taken_back` lead out of a final state: what was believed was not so.

    The machine keeps no state itself: the owner of a state asks for the next one.
    """

    states: tuple[StateT, ...]
    begins: Mapping[EventT, StateT]
    table: Mapping[tuple[StateT, EventT], StateT]
    taken_back: tuple[EventT, ...] = ()
    _steps: frozenset[tuple[StateT, StateT]] = attrs.field(init=False, repr=False)

    @_steps.default
    def _all_steps(self) -> frozenset[tuple[StateT, StateT]]:
        return frozenset((before, after) for (before, _), after in self.table.items())

    def after(self, state: StateT, event: EventT) -> StateT:
        """The state that follows `state` when `event` happens. Raises Impossible."""
        if (state, event) not in self.table:
            raise Impossible(f"{event!r} cannot happen in the state {state!r}")
        return self.table[state, event]

    def check(self, before: StateT, after: StateT) -> None:
        """Raises Impossible if nothing leads from one state to the other."""
        if (before, after) not in self._steps:
            raise Impossible(f"{before!r} cannot become {after!r}")

    def where(self, event: EventT) -> tuple[StateT, ...]:
        """The states in which `event` can happen."""
        return tuple(state for state in self.states if (state, event) in self.table)

    @property
    def final(self) -> tuple[StateT, ...]:
        """The states that no other follows, unless they are taken back."""
        left = {
            before for (before, event), after in self.table.items() if before != after and event not in self.taken_back
        }
        return tuple(state for state in self.states if state not in left)
