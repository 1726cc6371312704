"""When MongoDB fails: whether to ask again, whether it is our fault, and what to tell the caller."""

from __future__ import annotations

import re
from typing import Literal

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from ...model.errors import Unavailable

_MORE = r", full error:| \(configured timeouts:|, Timeout: [0-9.]+s"  # what follows, the driver says for its own makers

Kind = Literal["again", "raced", "unavailable", "fault"]

AGAIN = "TransientTransactionError"
DUPLICATE, CONFLICT = 11000, 112
UNKNOWN = "UnknownTransactionCommitResult"

# Not let in, no such user, shutting down, not the primary, no majority in time, disk full, too much memory.
OUT_OF_ORDER = {11, 13, 18, 64, 91, 100, 189, 262, 10058, 10107, 11600, 11602, 13435, 13436, 14031, 50}


class Collided(Unavailable):
    """Other changes wrote the same, each time that it was tried. Nothing was changed."""


def kind(why: PyMongoError) -> Kind:
    """Whether a transaction that failed before its commit is worth another try, or whether the store is out of order.

    - `again`: the database undid the transaction, because another change wrote the same or the connection broke
    - `raced`: the same as `again` if another node stored the same thing first, else a fault
    - `unavailable`: the store is out of order
    - `fault`: the error is ours
    """
    codes = _codes(why)
    if DUPLICATE in codes:
        return "raced"
    if isinstance(why, ServerSelectionTimeoutError | NetworkTimeout):  # that took its time already
        return "unavailable"
    if why.has_error_label(AGAIN) or CONFLICT in codes:
        return "again"
    if isinstance(why, ConnectionFailure):  # with AutoReconnect and all that finds no server
        return "unavailable"
    if isinstance(why, OperationFailure):
        return "unavailable" if why.code in OUT_OF_ORDER else "fault"
    return "fault"


def _codes(why: PyMongoError) -> set[int]:
    """The numbers of what went wrong: of several documents that are written together, each may have its own."""
    if isinstance(why, BulkWriteError):
        return {each["code"] for each in why.details.get("writeErrors", ())}
    return {why.code} if isinstance(why, OperationFailure) and why.code is not None else set()


def lost(why: PyMongoError) -> bool:
    """Whether the server could not be reached."""
    return isinstance(why, AutoReconnect | ConnectionFailure)


def words(why: BaseException) -> str:
    """What the database said, in one line."""
    said = why.details.get("errmsg") if isinstance(why, OperationFailure) and why.details else None
    return " ".join(re.split(_MORE, str(said or why), maxsplit=1)[0].split())
