"""An entry of the audit log, as it is shown."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from ...model.audit import Action
from . import FOUND, Moment


class EntryOut(Struct):
    """One change: who made it, from where, and what was and is."""

    id: Annotated[str, Meta(description="Unique; newer entries have greater ids")]
    at: Annotated[Moment, Meta(description="When")]
    who: Annotated[
        str | None, Meta(description="The name of the token; null: nobody was asked for one, or it was a signal")
    ]
    address: Annotated[str, Meta(description="Where it came from: an IP address, `unix`, or `signal`")]
    node: Annotated[str, Meta(description="The name of the daemon that was asked")]
    action: Annotated[Action, Meta(description="What was done")]
    target: Annotated[
        str | None, Meta(description="The job or the run that it was done to; null: the daemon's own files")
    ]
    job_id: Annotated[str | None, Meta(description="The job whose run the target is; null: the target is no run")]
    name: Annotated[str | None, Meta(description="The job's name, then")]
    task: Annotated[str | None, Meta(description="The job's task, then")]
    before: Annotated[dict[str, Any] | None, Meta(description="What was, as far as it differs; null: nothing was")]
    after: Annotated[
        dict[str, Any] | None, Meta(description="What is since then, as far as it differs; null: nothing is")
    ]
    group: Annotated[str | None, Meta(description="What entries of one order have in common; null: it is by itself")]


class Entries(Struct):
    """A page of the audit log."""

    values: Annotated[list[EntryOut], FOUND]
