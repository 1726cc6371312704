"""/runs/ID/deliveries, /jobs/ID/deliveries: notifications that were sent or are still to be sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.web.http import Request

from ..http.from_json import given
from ..http.pages import Pages
from ..http.route import Route, caller, query
from ..http.schemas.deliveries import Deliveries as DeliveriesOut
from ..http.schemas.deliveries import delivery_out
from ..http.schemas.queries import DeliveryPage
from ..model.delivery import Delivery
from ..model.page import Page
from ..registry.registry import Registry


class Deliveries:
    """The calls on notifications."""

    def __init__(self, registry: Registry, pages: Pages) -> None:
        self._registry = registry
        self._pages = pages

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/jobs/<job_id>/deliveries", self.of_job, "What was told of a job, newest first",
                  asks=DeliveryPage, gives={200: DeliveriesOut}, refuses=(400, 404)),
            Route("GET", "/runs/<run_id>/deliveries", self.of_run, "What was told of a run, newest first",
                  asks=DeliveryPage, gives={200: DeliveriesOut}, refuses=(400, 404)),
        ]  # fmt: skip

    async def of_job(self, request: Request, job_id: str) -> bytes:
        """200: up to `limit` notifications older than `after`."""
        asked = query(request, DeliveryPage)
        return await self._page(request, asked, self._registry.seen_by(caller(request)).job_deliveries, job_id)

    async def of_run(self, request: Request, run_id: str) -> bytes:
        """200: up to `limit` notifications of one run older than `after`."""
        asked = query(request, DeliveryPage)
        return await self._page(request, asked, self._registry.seen_by(caller(request)).run_deliveries, run_id)

    async def _page(
        self, request: Request, asked: DeliveryPage, of: Callable[..., Awaitable[list[Delivery]]], target: str
    ) -> bytes:  # fmt: skip
        async def deliveries(_room: int) -> Page[Delivery]:
            return Page.of(await of(target, asked.limit + 1, given(asked.after, None)), asked.limit)

        return await self._pages.answer(request, asked.limit, deliveries, delivery_out, lambda delivery: delivery.id)
