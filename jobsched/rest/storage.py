"""/storage: what the daemon keeps, and how much room there is."""

from __future__ import annotations

from twisted.web.http import Request

from ..http.route import Route, json
from ..http.schemas.storage import StorageOut
from ..registry.registry import Registry


class Storage:
    """The call on disk and record; `keep_runs` and `keep_days` as the options say."""

    def __init__(self, registry: Registry, keep_runs: int, keep_days: float) -> None:
        self._registry = registry
        self._keep_runs = keep_runs
        self._keep_days = keep_days

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/storage", self.show, "What is kept, and how much room there is",
                      gives={200: StorageOut})]  # fmt: skip

    async def show(self, request: Request) -> bytes:
        """200: as it is now."""
        size, free = await self._registry.disk()
        oldest = await self._registry.oldest_run()
        return json(
            request,
            StorageOut(
                node=self._registry.node_name,
                free=free,
                size=size,
                oldest=oldest,
                keep_runs=self._keep_runs,
                keep_days=self._keep_days,
            ),
        )
