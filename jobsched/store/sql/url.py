"""Database URLs: shown without their secrets, and the file that an SQLite URL names."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError


def make_url_safe(url: str | URL) -> str:
    """`url` without its password, for messages."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "the given URL"
    secret = [name for name in parsed.query if "pass" in name.lower()]
    return parsed.difference_update_query(secret).render_as_string(hide_password=True)


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite store. None: another kind of store, or a store in memory."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None
