"""URLs of MongoDB, shown without their secrets. The driver need not be there."""

from __future__ import annotations

from typing import Final

SCHEMES: Final = ("mongodb://", "mongodb+srv://")
_SECRET: Final = ("pass", "authmechanismproperties")  # in the name of an option; the latter may hold a session's token


def is_mongo(url: str) -> bool:
    """Whether this is the URL of a store in MongoDB."""
    return url.startswith(SCHEMES)


def make_url_safe(url: str) -> str:
    """`url` without its password, for messages. A password may hold any sign: it ends at the last `@`."""
    scheme, _, rest = url.partition("://")
    account, mark, place = rest.rpartition("@")
    user, secret, _ = account.partition(":")
    where, _, query = place.partition("?")
    told = "&".join(option for option in query.split("&") if option and not _is_secret(option))
    return f"{scheme}://{user}{':***' if secret else ''}{mark}{where}{'?' if told else ''}{told}"


def _is_secret(option: str) -> bool:
    name = option.partition("=")[0].lower()
    return any(part in name for part in _SECRET)
