"""A run that is being executed here."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from ..model.run import Run
from .calls import Call
from .deadline import Stop
from .output import Output


@attrs.define
class Active:
    """A run that is being executed here."""

    run: Run
    output: Output | None = None
    call: Call | None = None
    stop: Stop | None = None
    noting: IDelayedCall | None = None  # its pid is soon recorded
    ended: Deferred[None] = attrs.field(factory=Deferred)
