"""The smallest task: it runs in a thread of the daemon, and what it prints is its run's output."""

from jobsched.task import Info


class ExampleJob:
    """Prints a phrase."""

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase

    def __call__(self, info: Info) -> None:
        print(self._phrase)
