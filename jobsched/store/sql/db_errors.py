"""When the database fails: whether to ask again, whether it is our fault, and what to tell the caller. No
password is told."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

Kind = Literal["again", "elsewhere", "raced", "unavailable", "fault"]

# Primary result codes: busy, locked, out of memory, read-only, interrupted, I/O error, corrupt, disk full, cannot be
# opened, locking protocol, permission, authorisation, not a database.
SQLITE = {5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 3, 23, 26}

# What SQLite does not say of them: busy, read-only, corrupt, disk full, not a database.
REMEDIES = {
    5: "another program holds it for long; fuser on the file tells which",
    8: "the file, its folder or its disk is not to be written by this daemon",
    11: "put a backup in its place: jobsched restore",
    13: "make room on the disk with the file",
    26: "put a backup in its place: jobsched restore",
}

# SQLSTATE, or the class that its first two characters are: connection, authorisation, no such database, resources (disk
# full, too many connections), operator (shutting down, starting up, statement timeout), system, internal, and then
# lock timeout, read-only (a standby), idle for too long in a transaction.
POSTGRESQL = {"08", "28", "3D", "53", "57", "58", "XX", "55P03", "25006", "25P03"}
POSTGRESQL_UNDONE = {"40001", "40P01"}  # serialization failure, deadlock

MYSQL = {
    3, 1015, 1021, 1023, 1026, 1030, 1114, 1180,  # disk full, I/O error
    1037, 1038, 1041, 1135,  # out of memory
    1040, 1129, 1130, 1203, 1226,  # too many connections
    1044, 1045, 1049, 1698,  # not let in
    1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 3169, 4031,  # shutting down, killed, cut
    1205, 1969, 3024,  # lock timeout, statement timeout
    1290, 1836,  # read-only
    2002, 2003, 2006, 2013, 2014, 2055,  # the client's words for a server that is gone
}  # fmt: skip
MYSQL_UNDONE = {1020, 1213}  # changed since it was read, deadlock

READ_ONLY = {"25006", 1290, 1836}  # a standby, or a primary that was one

DUPLICATE = {"23505", 1062}


def kind(url: URL, why: DBAPIError | PoolTimeout) -> Kind:
    """Whether a transaction that failed before its commit is worth another try, or whether the store is out of order.

    - `again`: the database undid the transaction, or the connection broke and the transaction with it
    - `elsewhere`: the server takes no changes any more, and the address may lead to another server by now
    - `raced`: the same as `again` if another node stored the same thing first, else a fault
    - `unavailable`: the store is out of order
    - `fault`: the error is ours
    """
    if isinstance(why, PoolTimeout):
        return "unavailable"
    if why.connection_invalidated and is_read_only(url, why.orig):
        return "elsewhere"
    if undone(url, why) or why.connection_invalidated:
        return "again"
    orig: object = why.orig
    if getattr(orig, "sqlstate", None) in DUPLICATE or _number(orig) in DUPLICATE:
        return "raced"
    match url.get_backend_name():
        case "sqlite":
            out_of_order = getattr(orig, "sqlite_errorcode", 0) & 0xFF in SQLITE
        case "postgresql":
            state = getattr(orig, "sqlstate", None)  # None: the driver's own words, for there was no server to say any
            out_of_order = state in POSTGRESQL or state[:2] in POSTGRESQL if state else _operational(orig)
        case _:
            out_of_order = _number(orig) in MYSQL
    return "unavailable" if out_of_order else "fault"


def undone(url: URL, why: DBAPIError) -> bool:
    """Whether the database says that it rolled the transaction back, and that the same one may succeed now."""
    match url.get_backend_name():
        case "postgresql":
            return getattr(why.orig, "sqlstate", None) in POSTGRESQL_UNDONE
        case "mysql":
            return _number(why.orig) in MYSQL_UNDONE
    return False


def not_made(url: URL, why: DBAPIError) -> bool:
    """Whether a change whose commit failed was certainly not made."""
    return undone(url, why) or is_read_only(url, why.orig)


def is_read_only(url: URL, said: BaseException | None) -> bool:
    """Whether the database says that it takes no changes: nothing was stored."""
    match url.get_backend_name():
        case "postgresql":
            return getattr(said, "sqlstate", None) in READ_ONLY
        case "mysql":
            return _number(said) in READ_ONLY
    return False


def make_url_safe(url: str | URL) -> str:
    """`url` without its password, for messages."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "the given URL"
    secret = [name for name in parsed.query if "pass" in name.lower()]
    return parsed.difference_update_query(secret).render_as_string(hide_password=True)


def words(url: URL, why: Exception) -> str:
    """What the database said, in one line and without the password."""
    said, password = line(why), url.password
    return said.replace(password, "***") if password and len(password) > 3 else said


def remedy(why: Exception) -> str:
    """What to do, behind the words of SQLite; of another database nothing is known."""
    code = getattr(getattr(why, "orig", None), "sqlite_errorcode", 0) & 0xFF
    return f" ({REMEDIES[code]})" if code in REMEDIES else ""


def line(why: Exception) -> str:
    """What the database said, in one line."""
    said: BaseException | None = why.orig if isinstance(why, DBAPIError) else why
    primary = getattr(getattr(said, "diag", None), "message_primary", None)
    arguments: tuple[object, ...] = getattr(said, "args", ())
    text = primary or (arguments[1] if _number(said) and len(arguments) > 1 else str(said))
    return "; ".join(" ".join(part.split()) for part in str(text).splitlines() if part.strip())


def _operational(orig: object) -> bool:
    return type(orig).__name__ in ("OperationalError", "ConnectionTimeout")


def _number(orig: object) -> int | None:
    """MySQL's number of an error."""
    arguments = getattr(orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
