"""What all nodes have in common: the first value that was proposed."""

from __future__ import annotations

from tests.store.samples import Desk


def test_the_first_that_was_proposed_stays(desk: Desk) -> None:
    assert desk.ask(desk.store.settings.agreed("session_key", "one")) == "one"
    assert desk.ask(desk.store.settings.agreed("session_key", "two")) == "one"
    assert desk.ask(desk.store.for_callers.settings.agreed("session_key", "three")) == "one"
    assert desk.ask(desk.store.settings.agreed("another", "four")) == "four"
