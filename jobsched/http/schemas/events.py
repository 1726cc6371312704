"""What an event tells, where it is not what GET shows."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Gone(Struct):
    """A job, a run or a node that was changed, and is gone by now."""

    id: Annotated[str, Meta(description="The id that it had")]
    deleted: Annotated[bool, Meta(description="true")] = True


class HoldGone(Struct):
    """A hold that was changed, and that there is no more."""

    what: Annotated[
        str,
        Meta(
            description="What became of it: put, it was made; delete, somebody ended it; end, it ended by itself",
            extra_json_schema={"enum": ["put", "delete", "end"]},
        ),
    ]
    deleted: Annotated[bool, Meta(description="true")] = True


class ReadyOut(Struct):
    """Whether the daemon that is followed can do its work."""

    node: Annotated[str, Meta(description="The name of the daemon")]
    ready: Annotated[bool, Meta(description="Whether /health/ready answers 200")]
    problems: Annotated[list[str], Meta(description="What keeps it from its work")]
