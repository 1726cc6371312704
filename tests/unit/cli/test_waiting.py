"""Waiting for the end of a run, and what is said meanwhile."""

from __future__ import annotations

from typing import Any, cast

import attrs

from jobsched.cli.commands.logs import finished


@attrs.define
class Daemon:
    """Answers a waiting client: the states of a run, and what keeps the daemon from its work then."""

    states: list[str]
    troubles: list[str | None]

    def get(self, path: str, query: object, **_: object) -> dict[str, Any]:
        assert path == "/runs/r"
        return {"id": "r", "state": self.states.pop(0)}

    def trouble(self) -> str | None:
        return self.troubles.pop(0)


@attrs.define
class Session:
    client: Daemon
    notes: list[str] = attrs.field(factory=list)

    @property
    def out(self) -> Session:
        return self

    def note(self, words: str, _colour: str) -> None:
        self.notes.append(words)


def test_what_keeps_a_run_from_being_recorded_is_said_once() -> None:
    daemon = Daemon(
        ["running"] * 4 + ["succeeded"], [None, "the disk is full", "the disk is full", "the store is away"]
    )
    session = Session(daemon)
    assert finished(cast(Any, session), {"id": "r", "state": "running"})["state"] == "succeeded"
    assert session.notes == [f"its end is not recorded yet: {why}" for why in ("the disk is full", "the store is away")]
