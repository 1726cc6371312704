"""What a caller asks first, as it is shown: where to look, and who it is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...model.caller import Scope
from . import Moment
from .nodes import VERSION


class GreetingOut(Struct):
    """Where to look. Every value is a path of this daemon."""

    page: Annotated[str, Meta(description="The live page, for people")]
    jobs: Annotated[str, Meta(description="What is scheduled")]
    runs: Annotated[str, Meta(description="What became of it")]
    catalog: Annotated[str, Meta(description="What may be run")]
    upcoming: Annotated[str, Meta(description="What will be due")]
    events: Annotated[str, Meta(description="What changes, as it comes")]
    health: Annotated[str, Meta(description="Whether the daemon can do its work")]
    description: Annotated[str, Meta(description="Every call, for programs: OpenAPI")]


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
