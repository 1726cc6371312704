"""Connections to MongoDB, with which alone the promise can be kept."""

from __future__ import annotations

import logging
from typing import Any, Final, TypeAlias

from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import ConfigurationError
from pymongo.read_concern import ReadConcern

from ...model.errors import BadStore
from .url import make_url_safe

logging.getLogger("pymongo").setLevel(logging.ERROR)  # it tells of each command with all its values

Client: TypeAlias = MongoClient[dict[str, Any]]
Place: TypeAlias = Database[dict[str, Any]]
Session: TypeAlias = ClientSession

DATABASE: Final = "jobsched"  # where the URL names none
PATIENCE: Final = 10  # seconds that a primary may take to be found, when the store is opened
LOST: Final = WriteConcern("majority", wtimeout=30_000, j=True)  # what a failover cannot lose
SNAPSHOT: Final = ReadConcern("snapshot")


def connect(url: str, *, found: int | None = None, silent: int | None = None) -> Client:
    """A client, which connects and starts its threads when it is first asked: twistd may fork before that. A primary
    that is not found within `found` seconds is given up (None: PATIENCE), and so is one that was asked and says nothing
    for `silent` seconds (None: without limit). Raises BadStore if the URL cannot be used.

    Messages do not quote what the driver says of a URL: any part of it may belong to a password.
    """
    limit = 1000 * (found or PATIENCE)
    try:
        return MongoClient(
            url, appname="jobsched", connect=False, connectTimeoutMS=limit, serverSelectionTimeoutMS=limit,
            socketTimeoutMS=None if silent is None else 1000 * silent, retryWrites=True,
        )  # fmt: skip
    except (ConfigurationError, ValueError, TypeError):
        raise BadStore(
            f"store: {make_url_safe(url)} is no URL that MongoDB's driver understands; a password's special characters "
            "are written as %XX"
        ) from None


def database(client: Client) -> Place:
    """The database that the URL names, written to and read so that nothing is lost."""
    return client.get_default_database(
        DATABASE, write_concern=LOST, read_concern=ReadConcern("majority"), read_preference=ReadPreference.PRIMARY
    )


def begin(session: Session) -> None:
    """Begin a transaction that sees one state, and whose commit is on the disks of a majority."""
    session.start_transaction(read_concern=SNAPSHOT, write_concern=LOST, read_preference=ReadPreference.PRIMARY)


def must_have_transactions(client: Client, name: str) -> None:
    """Raises BadStore for a server without transactions: one that is no member of a replica set, and no router."""
    hello = client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise BadStore(
            f"store: {name} is a standalone server, which has no transactions; start mongod with --replSet and run "
            "rs.initiate() once: one server is enough"
        )
