"""What a daemon keeps, and how much room there is, as it is shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from . import Moment


class StorageOut(Struct):
    """What is kept, and where there is room for more."""

    node: Annotated[str, Meta(description="The name of the daemon that answers, whose disk it is")]
    free: Annotated[int, Meta(description="Bytes that are free for its state: what runs print, and the SQLite store")]
    size: Annotated[int, Meta(description="Bytes of that disk")]
    oldest: Annotated[Moment | None, Meta(description="The due of the oldest run of all jobs; null: there is none")]
    keep_runs: Annotated[int, Meta(description="KEEP_RUNS: so many runs of each job are kept")]
    keep_days: Annotated[float, Meta(description="KEEP_DAYS: for so many days")]
