"""What the daemon says to a caller that asks for nothing in particular."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


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
