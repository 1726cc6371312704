"""The hold: made, changed and ended by orders, whichever the database."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

import attrs

from ..model.caller import Caller
from ..model.errors import Conflict, Invalid, NotFound, OnHold, Stale
from ..model.hold import Hold
from ..model.order import Versions

NONE: Final = "nothing is on hold"


class Records(Protocol):
    """What is asked of a transaction, and written in it."""

    def now(self, local: datetime) -> datetime:
        """The time, by the database's clock."""

    def older_nodes(self) -> list[str]:
        """The names of the living nodes whose release does not know what is new in this schema."""

    def hold_hold(self) -> Hold | None:
        """The hold that there is or was last; from now on no claim goes by it, and claims under way are over, until the
        transaction ends."""

    def tell_hold_end(self, instant: datetime) -> None:
        """Tell those who follow changes that it has ended by itself, if it has: once, whoever finds it first."""

    def write_hold(self, new: Hold, *, told: bool) -> None:
        """Store it in place of the one before; `told`: there will be nothing to tell when it ends."""

    def wake(self, asker: str) -> None:
        """Let other nodes look at what this transaction changes, as soon as it is committed."""


def put(
    records: Records, wanted: Hold, versions: Versions, anew: bool, asker: str, caller: Caller
) -> tuple[Hold | None, Hold]:
    """Hold what `wanted` says; `anew`: no version was given, so there must be none. What was held, and what is now."""
    kept = records.hold_hold()
    if names := records.older_nodes():
        raise Conflict(
            "jobs can be put on hold once no node of an older release, which would start them, is alive: "
            + ", ".join(names[:9])
        )
    instant = records.now(wanted.at)
    records.tell_hold_end(instant)
    before = None if kept is None or kept.is_over(instant) else kept
    if wanted.is_over(instant):
        raise Invalid("lies in the past", "/until")
    if before is not None:
        if anew:
            raise OnHold(f"{before.words}; with If-Match that can be changed")
        _check(before, versions)
        before.must_belong_to(caller)
        wanted = attrs.evolve(wanted, at=before.at)
    elif not anew:
        raise Stale(NONE)
    else:
        wanted = attrs.evolve(wanted, at=instant)
    stored = attrs.evolve(wanted, version=1 if kept is None else kept.version + 1)
    records.write_hold(stored, told=False)
    records.wake(asker)
    return before, stored


def release(records: Records, versions: Versions, now: datetime, asker: str, caller: Caller) -> Hold:
    """End the hold; as it was. What is kept says when it ended, for dues that nobody has decided yet."""
    before, instant = records.hold_hold(), records.now(now)
    if before is None or before.is_over(instant):
        raise NotFound(NONE)
    _check(before, versions)
    before.must_belong_to(caller)
    after = attrs.evolve(before, until=max(instant, before.at), version=before.version + 1)
    records.write_hold(after, told=True)
    records.wake(asker)
    return before


def _check(found: Hold, versions: Versions) -> None:
    if versions is not None and found.version not in versions:
        raise Stale(f"the hold is at version {found.version} by now")
