"""Connections to MongoDB, with which alone the promise can be kept."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from ...model.errors import BadStore

Client: TypeAlias = MongoClient[dict[str, Any]]
Place: TypeAlias = Database[dict[str, Any]]
Session: TypeAlias = ClientSession

DATABASE: Final = "jobsched"  # where the URL names none
PATIENCE: Final = 10  # seconds that a server may take to be found or to be connected to
LOST: Final = WriteConcern("majority", wtimeout=30_000, j=True)  # what a failover cannot lose
SNAPSHOT: Final = ReadConcern("snapshot")


def connect(url: str, *, prompt: int | None = None) -> Client:
    """A client, which connects when it is first asked. A server that has not answered in `prompt` seconds is given
    up."""
    limit = 1000 * (prompt or PATIENCE)
    return MongoClient(
        url, appname="jobsched", connectTimeoutMS=limit, serverSelectionTimeoutMS=limit,
        socketTimeoutMS=None if prompt is None else limit, retryWrites=True,
    )  # fmt: skip


def database(client: Client, url: str) -> Place:
    """The database that the URL names, written to and read so that nothing is lost."""
    name = parse_uri(url, validate=False, warn=False).get("database") or DATABASE
    return client.get_database(
        name, write_concern=LOST, read_concern=ReadConcern("majority"), read_preference=ReadPreference.PRIMARY
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
