"""What stands around every screen: the head, the banners, and what a template may use."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import attrs
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.environment import TemplateModule
from markupsafe import Markup, escape
from twisted.web.http import Request

from ..http.route import caller, whole
from ..http.sessions import Session, Sessions
from ..http.sessions import header as session_header
from ..model.caller import Caller
from ..model.errors import Invalid, NotFound, Unavailable
from ..model.health import HealthProblem
from ..model.hold import Hold
from ..model.printable import many
from ..model.times import utc_text
from ..registry.registry import Registry
from . import form, words
from .files import Files
from .held import HeldDues, Skipped
from .looks import MADE, STAND_IN, Key, Look, look_of
from .outages import Outage, Outages
from .view import COOKIE as VIEW
from .view import View

TEMPLATES: Final = Path(__file__).parent / "templates"
HTML: Final = b"text/html; charset=utf-8"
HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"same-origin"),  # with `no-referrer` a form would come from an origin "null"
)
T = TypeVar("T")
U = TypeVar("U")
SCREENS: Final = (
    ("/ui/", "Overview"),
    ("/ui/jobs", "Jobs"),
    ("/ui/runs", "Runs"),
    ("/ui/upcoming", "Upcoming"),
    ("/ui/nodes", "Nodes"),
    ("/ui/audit", "Audit"),
)


SAID: Final = {
    "made": "The job was made.", "changed": "The job was changed.", "paused": "The job is paused.",
    "resumed": "The job goes on.", "deleted": "The job was deleted.", "started": "The run was ordered.",
    "cancelled": "The run was told to end.", "over": "The run had ended already.", "held": "Everything is on hold.",
    "held-already": "Something is on hold already.", "released": "What was on hold goes on.",
    "revoked": "The key was revoked.",
}  # fmt: skip


class Healthy(Protocol):
    """What is asked of the daemon's health."""

    async def health_problems(self) -> list[HealthProblem]:
        """All that keeps it from its work."""


@attrs.frozen
class Daemons:
    """What the head of a screen says of the daemons."""

    node: str = ""
    alive: int = 1
    nodes: int = 1
    hold: Hold | None = None
    problems: Sequence[str] = ()
    outage: Outage | None = None
    skipped: Skipped | None = None  # by the hold


def environment(files: Files) -> Environment:
    """The templates: all that is put in is escaped, and nothing may be missing."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update({
        "file": files.url, "screens": SCREENS, "span": words.span, "many": many, "size": words.size,
        "states": words.STATES, "schedule": words.schedule, "path": lambda text: quote(text, safe=""),
        "utc": utc_text, "shown_state": shown_state, "shown_label": shown_label,
    })  # fmt: skip
    return made


@cache
def shown_state(name: str) -> Markup:
    """A state by icon, word and colour."""
    look = words.STATES[name]
    icon = f'<svg class="icon" aria-hidden="true" width="16" height="16"><use href="#i-{look.icon}"/></svg>'
    return Markup(f'<span class="state {look.tone}">{icon} {look.word}</span>')  # noqa: S704  # nosec B704


@lru_cache(maxsize=4096)
def shown_label(name: str, value: str) -> Markup:
    """A label, which leads to the jobs that have it."""
    text = escape(f"{name}={value}" if value else name)
    found = f'<a class="label" href="/ui/jobs?q={quote(f"label:{name}={value}", safe="/")}">{text}</a>'
    return Markup(found)  # noqa: S704  # nosec B704


class Frame:
    """Answers with screens."""

    def __init__(
        self, registry: Registry, files: Files, health: Healthy, now: Callable[[], datetime], zone: str,
        asks: Callable[[], bool], sessions: Sessions,
    ) -> None:  # fmt: skip
        self.now = now
        self._registry = registry
        self._health = health
        self._zone = zone
        self.asks = asks  # whether callers need a token
        self._sessions = sessions
        self._templates = environment(files)
        self._outages = Outages(now)
        self._held_dues = HeldDues(now)

    def macros(self, template: str) -> TemplateModule:
        """The macros of a template, as functions."""
        return self._templates.get_template(template).module

    def registry(self, request: Request) -> Registry:
        """The registry as this viewer sees it."""
        return self._registry.seen_by(caller(request))

    def view(self, request: Request) -> View:
        """How the viewer wants to see it."""
        return View.of(request, self.now(), self._zone)

    async def screen(self, request: Request, template: str, title: str, **values: object) -> bytes:
        """200, or what was set before: a whole screen. HEAD is answered alike."""
        who = caller(request)
        self._renew(request)
        head = await self._head(who) if who.may("read") else Daemons()
        return self.bare(request, template, title, who=who, head=head, **values)

    def bare(self, request: Request, template: str, title: str, **values: object) -> bytes:
        """A screen that asks the store nothing."""
        path, csrf = request.path.decode("utf-8", "replace"), self._csrf(request)
        look = look_of(request)
        common: dict[str, Any] = {
            "view": self.view(request), "title": title, "here": here(request), "path_here": path,
            "tokens": self.asks(), "head": Daemons(), "who": None, "find": "", "wall": False,
            "said": SAID.get(asked(request, "said"), ""), "csrf": csrf and (STAND_IN if look else csrf),
        }  # fmt: skip
        text = self._templates.get_template(template).render(common | values)
        if look is not None and request.code == 200:
            look.give(text)
            made_ago(request, look)
        return send(request, text.replace(STAND_IN, csrf).encode())

    def differs(self, request: Request) -> Key:
        """All that makes screens of viewers with the same rights differ, but for their own CSRF tokens."""
        host, view = request.getHeader(b"host"), request.getCookie(VIEW)
        return host, request.isSecure(), view, bool(self._csrf(request))

    def share(self, request: Request, look: Look, first: Request) -> None:
        """Answer with a screen that was made for the request of another, which differs in nothing."""
        request.taken = first.taken  # type: ignore[attr-defined]  # of LimitedRequest
        request.known = first.known  # type: ignore[attr-defined]
        made_ago(request, look)
        self._renew(request)
        request.write(send(request, look.data(self._csrf(request))))
        request.finish()

    def _renew(self, request: Request) -> None:
        session = self._session(request)
        renewed = self._sessions.renewed(session) if session is not None else None
        if renewed is not None:
            request.responseHeaders.addRawHeader(b"set-cookie", session_header(request, renewed))

    def form(self, request: Request) -> dict[str, list[str]]:
        """What a form has sent that this viewer got from us. Raises Invalid."""
        sent, csrf = form.fields(request), self._csrf(request)
        if not hmac.compare_digest(form.one(sent, "csrf").encode(), csrf.encode()):
            raise Invalid("this form is of another session: load the page again, and send it once more")
        return sent

    def _session(self, request: Request) -> Session | None:
        return self._sessions.find(request) if self.asks() else None

    def _csrf(self, request: Request) -> str:
        try:
            session = self._session(request)
        except Unavailable:
            return ""
        return session.csrf if session is not None else ""

    async def _head(self, who: Caller) -> Daemons:
        registry = self._registry.seen_by(who)
        nodes = await registry.nodes()
        found = await self._health.health_problems()
        hold = await held(registry)
        return Daemons(
            node=self._registry.node_name,
            alive=sum(node.state == "alive" for node in nodes),
            nodes=len({node.name for node in nodes if node.state != "stopped"}),
            hold=hold,
            problems=[str(each) for each in found],
            outage=await tried(self._outages.last(registry, who.tasks), None),
            skipped=None if hold is None else await tried(self._held_dues.count(registry, hold, who.tasks), None),
        )


async def held(registry: Registry) -> Hold | None:
    """What is on hold, if anything is."""
    try:
        return await registry.hold()
    except NotFound:
        return None


async def tried(asking: Awaitable[T], otherwise: U) -> T | U:
    """What was asked for, or `otherwise` where the store does not answer: for what only stands beside a screen."""
    try:
        return await asking
    except Unavailable:
        return otherwise


def made_ago(request: Request, look: Look) -> None:
    """Say how long ago the making of a shared screen has begun."""
    request.setHeader(MADE, b"%d" % (1000 * look.age() + 1))


def send(request: Request, data: bytes, kind: bytes = HTML) -> bytes:
    """Text, encoded, with the page's own headers."""
    for name, value in HEADERS:
        request.setHeader(name, value)
    return whole(request, kind, data)


def here(request: Request) -> str:
    """The path and the query that were asked for, as a link."""
    return request.uri.decode("ascii", "replace")


def link(request: Request, **changes: str | None) -> str:
    """The same screen with other values in its query; None takes one away."""
    url = urlsplit(request.uri.decode("ascii", "replace"))
    kept = {name: value for name, value in parse_qsl(url.query) if name not in changes}
    query = urlencode(kept | {name: value for name, value in changes.items() if value})
    return f"{url.path}?{query}" if query else url.path


def asked_all(request: Request, name: str) -> list[str]:
    """All values of a name in the query."""
    return [value.decode("utf-8", "replace") for value in (request.args or {}).get(name.encode(), [])]


def asked(request: Request, name: str, otherwise: str = "") -> str:
    """One value of the query; what is no UTF-8 is shown as such and finds nothing."""
    values = asked_all(request, name)
    return values[0].strip() if values else otherwise
