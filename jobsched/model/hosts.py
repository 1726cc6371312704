"""The host names of a daemon: what a Host header may hold, so that no web page reaches the daemon by another name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

import attrs

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NAME_AND_PORT = re.compile(r"(?:\[([^\[\]]+)\]|([A-Za-z0-9._~-]+))(?::[0-9]*)?")


@lru_cache(64)  # it is asked twice for each request, with few answers
def plain(host: str) -> str:
    """A host as it is compared: without port, brackets and final dot, an address in one spelling; "" for none."""
    found = NAME_AND_PORT.fullmatch(host)
    name = host if found is None else found[1] or found[2]
    try:
        address = ip_address(name.partition("%")[0])  # after % comes the network interface
    except ValueError:
        return "" if found is None or found[1] else name.lower().removesuffix(".")
    return str(getattr(address, "ipv4_mapped", None) or address)


@attrs.frozen
class Hosts:
    """The names by which a daemon may be asked."""

    names: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> Hosts:
        """The hosts of a list of names, as people write them."""
        return cls(frozenset(filter(None, map(plain, names))))

    def know(self, host: str, here: str) -> bool:
        """Whether `host` is one of these names, or `here`, our own address on this connection.

        A foreign web page cannot have one of our addresses as its host name.
        """
        name = plain(host)
        return name != "" and (name in self.names or name == plain(here))
