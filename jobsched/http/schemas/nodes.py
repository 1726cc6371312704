"""The daemons that share a store, and how the one that was asked is and what it keeps, as they are shown."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...model.node import NodeState
from . import FOUND, Moment

VERSION = Meta(description="Of the daemon")


class ClaimsOut(Struct):
    """How many dues a node asked for, and how many of them it got."""

    tried: Annotated[int, Meta(description="How many it asked for since its start")]
    won: Annotated[int, Meta(description="How many of them it got; the others had been taken by another node")]


class NodeOut(Struct):
    """A daemon, as it is shown."""

    id: Annotated[str, Meta(description="Unique; each start of a daemon has another")]
    name: Annotated[str, Meta(description="What the configuration calls it")]
    url: Annotated[str | None, Meta(description="How other nodes reach it; null: they do not")]
    tags: Annotated[dict[str, str], Meta(description="What it says is special about it")]
    tasks: Annotated[list[str], Meta(description="The tasks it has, in the order of its catalog")]
    version: Annotated[str, VERSION]
    since: Annotated[Moment, Meta(description="When it was started, by the database's clock")]
    seen: Annotated[Moment, Meta(description="When it was last known to be alive, by the same clock")]
    state: Annotated[NodeState, Meta(description="Whether it is alive, was stopped, or died")]
    running: Annotated[int, Meta(description="Runs that it executes")]
    slots: Annotated[int, Meta(description="Runs that it could start besides")]
    claims: Annotated[ClaimsOut, Meta(description="The dues that it reached for")]
    problem: Annotated[str | None, Meta(description="What is wrong with it; null when nothing is")]


class Nodes(Struct):
    """The daemons that share the store."""

    values: Annotated[list[NodeOut], FOUND]


class Health(Struct):
    """Whether the daemon can do its work."""

    status: Annotated[Literal["ok", "ready"], Meta(description="How it is")]
    version: Annotated[str, VERSION]
    hold: Annotated[str | None, Meta(description="What keeps jobs from being run, on purpose; null: nothing")] = None


class StorageOut(Struct):
    """What is kept, and where there is room for more."""

    node: Annotated[str, Meta(description="The name of the daemon that answers, whose disk it is")]
    free: Annotated[int, Meta(description="Bytes that are free for its state: what runs print, and the SQLite store")]
    size: Annotated[int, Meta(description="Bytes of that disk")]
    oldest: Annotated[Moment | None, Meta(description="The due of the oldest run of all jobs; null: there is none")]
    keep_runs: Annotated[int, Meta(description="KEEP_RUNS: so many runs of each job are kept")]
    keep_days: Annotated[float, Meta(description="KEEP_DAYS: for so many days")]
