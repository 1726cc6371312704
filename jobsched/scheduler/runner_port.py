"""What the scheduler hands runs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ..model.run import Run


@attrs.frozen(kw_only=True)
class RunnerPort:
    """What the scheduler needs of the runner."""

    slots: Callable[[], int]
    start: Callable[[Iterable[Run]], None]
    replace: Callable[[Iterable[Run]], None]
    known: Callable[[], set[str]]  # the runs it was given whose outcome is not stored yet
