"""A task that never ends by itself: it runs in its own process, and its watchdog ends it."""

import time

from jobsched.task import Info
from jobsched.watchdog import watchdog


class TimeoutJob:
    """Prints a phrase until it is killed, after one second."""

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase

    @watchdog(1)
    def __call__(self, info: Info) -> None:
        while True:
            print(self._phrase)
            time.sleep(0.25)
