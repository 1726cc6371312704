"""What requests may say and answers say, by noun, and what these records share. msgspec checks and writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from ...model import labels

Moment = Annotated[datetime, Meta(tz=True)]

ID = Meta(description="Unique; ids made later sort behind those made earlier")
NAME = Meta(description="What a person calls it; need not be unique")
TASK = Meta(description="The section of the catalog that is run")
STATE = Meta(description="Where it stands")
REASON = Meta(description="Why it stands there, in words")
FOUND = Meta(description="What was found")

# What is said of a job.

# The limits of labels are for the description; `model/labels` checks them, since it can say which label is wrong.
LabelName = Annotated[str, Meta(extra_json_schema={"pattern": labels.NAME})]
LabelValue = Annotated[str, Meta(extra_json_schema={"pattern": labels.VALUE})]
Labels = Annotated[dict[LabelName, LabelValue], Meta(extra_json_schema={"maxProperties": labels.MOST})]
Description = Annotated[str, Meta(min_length=1, max_length=labels.LONGEST_DESCRIPTION)]
Owner = Annotated[str, Meta(min_length=1, max_length=labels.LONGEST_OWNER)]
Runbook = Annotated[str, Meta(min_length=1, max_length=labels.LONGEST_RUNBOOK, extra_json_schema={"format": "uri"})]

LABELS = Meta(description="Short words to find jobs by, up to 32, such as `team`: `data`")
DESCRIPTION = Meta(description="What it is for and what to do at night; plain text or Markdown")
OWNER = Meta(description="Who answers for it")
RUNBOOK = Meta(description="An http or https link to what is to be done when it fails; anybody may see it")
