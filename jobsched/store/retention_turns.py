"""Which node's turn it is to look for what is to be forgotten, and where to look. One node does so for all, now and
then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypedDict

from ..model.ids import EPOCH, MICROSECOND
from .contract.retention import RetentionPass

OVERLAP: Final = timedelta(seconds=60)  # the id of a run is older than its commit by so much at most


class StoredTurn(TypedDict):
    """What is stored about the turns. Instants are microseconds since 1970 UTC."""

    taken: int  # when the last turn was taken
    done: int | None  # when the last turn that came to its end was taken
    keep: int  # how many runs each job keeps, as that turn went by


def take(
    value: StoredTurn | None, instant: datetime, keep: int, every: timedelta
) -> tuple[StoredTurn, RetentionPass] | None:
    """The turn, to be stored in place of `value`; None: another node has taken it within the time `every`. `keep` says
    how many runs each job keeps."""
    if value is not None and timedelta(0) <= instant - _instant(value["taken"]) < every:
        return None
    before = value or StoredTurn(taken=0, done=None, keep=keep)
    since = None if value is None else _looked_at(value, instant, keep)
    return StoredTurn(taken=_micros(instant), done=before["done"], keep=before["keep"]), RetentionPass(
        since=since, begun=instant
    )


def end(this_pass: RetentionPass, keep: int) -> StoredTurn:
    """Everything was looked at that was there when the turn began: what is to be stored."""
    begun = _micros(this_pass.begun)
    return StoredTurn(taken=begun, done=begun, keep=keep)


def _looked_at(value: StoredTurn, instant: datetime, keep: int) -> datetime | None:
    """The instant up to which all jobs were looked at, so that no job has more runs from before it than it keeps. None:
    not known."""
    done = None if value["done"] is None else _instant(value["done"])
    return None if done is None or done > instant or keep < value["keep"] else done - OVERLAP


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND
