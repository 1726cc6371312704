"""The caller, and the daemon that answers, as they are shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...model.caller import Scope
from . import Moment
from .nodes import VERSION


class MeOut(Struct):
    """Who asks, what that caller may do, and who answers."""

    name: Annotated[str | None, Meta(description="The name of the token; null: none was needed")]
    scopes: Annotated[list[Scope], Meta(description="What the caller may do; `admin` holds all of them")]
    tasks: Annotated[
        list[str] | None, Meta(description="The tasks that the caller sees, with * and ? in patterns; null: all")
    ]
    expires: Annotated[Moment | None, Meta(description="Until when the token is good; null: until it is revoked")]
    open: Annotated[
        bool, Meta(description="Whether there are no tokens, so that anybody on this machine may change jobs")
    ]
    node: Annotated[str, Meta(description="The name of the daemon that answers")]
    version: Annotated[str, VERSION]
