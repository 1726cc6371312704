"""Tells Twisted that there is a `jobsched`; imports nothing of it, so that listing plugins stays cheap."""

from __future__ import annotations

import gc

from twisted.application.service import ServiceMaker
from twisted.python.usage import Options


class _Maker(ServiceMaker):
    """Looks for no garbage until the service starts, and `daemon.startup` looks once: nothing that is imported is any,
    and to walk it again and again takes a sixth of the start."""

    @property
    def options(self) -> type[Options]:
        gc.disable()
        found: type[Options] = super().options
        return found


jobsched = _Maker("jobsched", "jobsched.tap", "A job scheduler driven by curl.", "jobsched")
