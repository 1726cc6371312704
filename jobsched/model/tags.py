"""Tags: what a node says of itself, and a job may ask of its node, as names and values."""

from __future__ import annotations

from .printable import printable

MOST = 32  # of one node, or asked for by one job
LONGEST_NAME = 64  # characters
LONGEST_VALUE = 200

RULE = f"at most {MOST} tags, names of 1 to {LONGEST_NAME} printable characters, values of 1 to {LONGEST_VALUE}"


def is_name(text: object) -> bool:
    """Whether this may be the name of a tag."""
    return _is_text(text, LONGEST_NAME)


def is_value(text: object) -> bool:
    """Whether this may be the value of a tag."""
    return _is_text(text, LONGEST_VALUE)


def are_tags(found: object) -> bool:
    """Whether these are names with values, and not too many."""
    return (
        isinstance(found, dict)
        and len(found) <= MOST
        and all(is_name(name) and is_value(value) for name, value in found.items())
    )


def _is_text(text: object, longest: int) -> bool:
    return isinstance(text, str) and 0 < len(text) <= longest and printable(text)
