"""What a receiver is told, as `model/delivery.body` writes it, here for the description of the API; and what an event
tells, where it is not what GET shows."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from ...model.job import Event
from ...model.run import Cause, State
from . import DESCRIPTION, LABELS, NAME, OWNER, REASON, RUNBOOK, STATE, TASK, Moment


class ToldJobOut(Struct, forbid_unknown_fields=True):
    """The job that a notification tells of."""

    id: Annotated[str, Meta(description="Its id")]
    name: Annotated[str, NAME]
    task: Annotated[str, TASK]
    overdue: Annotated[Moment | None, Meta(description="Since when it is overdue; null: it is not")]
    labels: Annotated[dict[str, str], LABELS]
    description: Annotated[str | None, DESCRIPTION]
    owner: Annotated[str | None, OWNER]
    runbook: Annotated[str | None, RUNBOOK]


class ToldRunOut(Struct, forbid_unknown_fields=True):
    """The run that a notification tells of."""

    id: Annotated[str, Meta(description="Its id")]
    due: Annotated[Moment, Meta(description="The instant at which it should start")]
    until: Annotated[Moment | None, Meta(description="The last due of a stretch with one fate; null for a single due")]
    count: Annotated[int, Meta(description="How many dues it stands for")]
    attempt: Annotated[int, Meta(description="1, and one more for each retry")]
    cause: Annotated[Cause, Meta(description="What made it")]
    state: Annotated[State, STATE]
    reason: Annotated[str, REASON]
    node: Annotated[str | None, Meta(description="The name of the daemon that ran it")]
    started: Annotated[Moment | None, Meta(description="When it was started")]
    ended: Annotated[Moment | None, Meta(description="When its outcome was known")]
    exit_code: Annotated[int | None, Meta(description="What its process exited with")]
    signal: Annotated[str | None, Meta(description="The signal that ended its process")]


class NotificationOut(Struct, forbid_unknown_fields=True):
    """What is sent to a receiver. It has no parameters, of which some are secret, and no output."""

    id: Annotated[str, Meta(description="Of the delivery, the same at each attempt; also in `Webhook-Id`")]
    event: Annotated[Event, Meta(description="What is told")]
    at: Annotated[Moment, Meta(description="When it happened")]
    job: Annotated[ToldJobOut, Meta(description="The job that is told of")]
    run: Annotated[ToldRunOut | None, Meta(description="The run that is told of; null: it is told of the job as such")]
    reason: Annotated[str, REASON]
    node: Annotated[str, Meta(description="The name of the daemon that tells")]
    retry: Annotated[bool | UnsetType, Meta(description="Whether another attempt follows; only where a run failed")] = (
        UNSET
    )


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
