"""What requests may say and answers say, by noun, and what these records share. msgspec checks and writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]

ID = Meta(description="Unique; ids made later sort behind those made earlier")
NAME = Meta(description="What a person calls it; need not be unique")
TASK = Meta(description="The section of the catalog that is run")
STATE = Meta(description="Where it stands")
REASON = Meta(description="Why it stands there, in words")
FOUND = Meta(description="What was found")
