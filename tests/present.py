"""What is there, for a test that cannot go on without it."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """The value itself; a test to which None comes fails here."""
    assert value is not None
    return value
