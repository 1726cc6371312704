"""Which database servers can keep the promise, asked at the start: row locks have to hold for all nodes.

Some servers speak the language of PostgreSQL or MySQL and mean something else by it. They are refused before any claim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

OLDEST = {"PostgreSQL": (12,), "MariaDB": (10, 6), "MySQL": (8, 0, 17)}  # SKIP LOCKED, and collations by bytes

COCKROACH = "is CockroachDB, which has neither advisory locks nor LISTEN: use PostgreSQL, MariaDB or MySQL"
TIDB = "is TiDB, which takes FOR UPDATE SKIP LOCKED and locks nothing: use PostgreSQL, MariaDB or MySQL"
OPTIMIST = (
    "is YugabyteDB, where READ COMMITTED is {} in truth, so that a claim would not see what was committed before it: "
    "set yb_enable_read_committed_isolation on its tablet servers"
)
MUTE = "is YugabyteDB without LISTEN and NOTIFY, by which nodes hear of each other: set yb_enable_listen_notify"
GALERA = (
    "is a member of a Galera cluster, whose row locks do not hold at the other members: if all nodes write to one "
    "member, say so by GALERA_SINGLE_WRITER = True in jobsched.cfg"
)
GROUP = (
    "is a member of a group with several primaries, whose row locks do not hold at the others: set "
    "group_replication_single_primary_mode"
)
OLD = "is {} {}; {} or newer is needed"

_VARIABLES = text(
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
    " ('wsrep_on', 'group_replication_group_name', 'group_replication_single_primary_mode')"
)
_YUGABYTE = ("SELECT yb_get_effective_transaction_isolation_level()", "SHOW yb_effective_transaction_isolation_level")


@attrs.frozen(kw_only=True)
class Server:
    """What a server says that it is, and how it is set."""

    product: str  # PostgreSQL, MariaDB or MySQL, or what goes for it
    version: Sequence[int]
    said: str  # of itself, at length
    settings: Mapping[str, str] = attrs.field(factory=dict)


def why_not(server: Server, *, galera_single_writer: bool = False) -> str:
    """Why the server cannot be the store; "": it can."""
    oldest = OLDEST[server.product]
    settings = server.settings
    if "TiDB" in server.said:
        return TIDB
    if tuple(server.version) < oldest:
        return OLD.format(server.product, *(".".join(map(str, each)) for each in (server.version, oldest)))
    if settings.get("isolation", "read committed") != "read committed":
        return OPTIMIST.format(settings["isolation"].upper())
    if settings.get("notify") == "off":
        return MUTE
    if settings.get("wsrep_on") == "ON" and not galera_single_writer:
        return GALERA
    if settings.get("group_replication_group_name") and settings.get("group_replication_single_primary_mode") == "OFF":
        return GROUP
    return ""


def look(connection: Connection) -> Server:
    """Ask the server. The answer is never that of CockroachDB: see `engine`."""
    dialect: Any = connection.dialect
    version = tuple(dialect.server_version_info or ())
    said = str(connection.execute(text("SELECT version()")).scalar_one())
    if dialect.name == "postgresql":
        settings = _of_yugabyte(connection) if "-YB-" in said else {}
        return Server(product="PostgreSQL", version=version, said=said, settings=settings)
    found = {row[0].lower(): row[1] for row in connection.execute(_VARIABLES)}
    product = "MariaDB" if dialect.is_mariadb else "MySQL"
    return Server(product=product, version=version, said=said, settings=found)


def _of_yugabyte(connection: Connection) -> dict[str, str]:
    """What READ COMMITTED means there, by the first question that this version answers; and whether NOTIFY works."""
    isolation = _first(connection, *_YUGABYTE) or "not known"
    notify = "on" if _first(connection, "SELECT 'on' FROM (SELECT pg_notify('jobsched', '')) AS told") else "off"
    return {"isolation": isolation, "notify": notify}


def _first(connection: Connection, *questions: str) -> str:
    """The answer to the first of the questions that has one; "": none has."""
    for question in questions:
        try:
            with connection.begin_nested():
                return str(connection.execute(text(question)).scalar_one())
        except DBAPIError:  # it does not know what is asked
            continue
    return ""
