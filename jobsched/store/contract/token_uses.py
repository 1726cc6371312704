"""When each token was used last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred


class TokenUses(Protocol):
    """The last use of each token, by its fingerprint (`config.tokens`). All nodes write here."""

    def note(self, uses: Mapping[str, datetime]) -> Deferred[None]:
        """These tokens were used at these instants. An instant is written if the one that is stored lies a minute or
        more before it, or there is none: so a token is written once a minute, however many nodes it is used on. With
        the first use of a token, those that were not used for two years are forgotten."""

    def every(self) -> Deferred[dict[str, datetime]]:
        """The last use of each token."""
