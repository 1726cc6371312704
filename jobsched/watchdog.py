"""The decorator with which a task asks for a process of its own, and for a time after which that process is ended.

For task authors; stdlib only, because every child process pays for this import.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` has it, without its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Method = TypeVar("Method", bound=Callable[..., object])


def watchdog(seconds: float | None = None) -> Callable[[Method], Method]:
    """Mark a task's `__call__`: it runs in its own process, killed after `seconds`, else after `JOB_LIVETIME`.

    On the `command` method of a script task it sets the seconds only. The method itself is left as it is.
    """
    if callable(seconds) or isinstance(seconds, (staticmethod, classmethod)):
        raise TypeError("write @watchdog() or @watchdog(seconds), with the parentheses")
    if seconds is not None:
        _refuse_odd(seconds)

    def mark(method: Method) -> Method:
        if isinstance(method, type) or not callable(method):
            raise TypeError("@watchdog() goes on the __call__ method of a task's class")
        method.jobsched_watchdog = seconds  # type: ignore[attr-defined]  # a mark on a function
        return method

    return mark


def is_marked(method: object) -> bool:
    """Whether `@watchdog()` stands above this method."""
    return hasattr(method, "jobsched_watchdog")


def seconds_of(method: object) -> float | None:
    """The seconds that `@watchdog(seconds)` gave this method; None when it gave none."""
    seconds: float | None = getattr(method, "jobsched_watchdog", None)
    return seconds


def _refuse_odd(seconds: object) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"@watchdog takes a number of seconds, not {seconds!r}")
    if not 0 < seconds <= 1e11:  # 3,000 years; false for NaN too
        raise ValueError(f"@watchdog takes a number of seconds above 0, not {seconds!r}")
