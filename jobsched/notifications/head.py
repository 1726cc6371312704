"""How much may come before the answer to a request of ours is there: headers without an end would fill the memory."""

from __future__ import annotations

from typing import Any

MOST = 256 * 1024  # bytes


class Head:
    """Watches the protocol of one connection, and cuts that off when too much comes before `over` is called."""

    def __init__(self, protocol: Any) -> None:
        self._wire = protocol.transport
        self._deliver = protocol.dataReceived
        self._left = MOST
        self._over = False
        protocol.dataReceived = self._received

    def over(self) -> None:
        """The answer is there: whoever reads its body knows when to stop."""
        self._over = True

    def _received(self, data: bytes) -> None:
        self._deliver(data)
        self._left -= len(data)
        if self._left < 0 and not self._over:
            self._wire.abortConnection()
