"""What all nodes of a store have in common."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred


class Settings(Protocol):
    """Values by name."""

    def agreed(self, name: str, proposed: str) -> Deferred[str]:
        """The value of that name: of all that are proposed, the first that was stored, for ever. All nodes get the
        same."""
