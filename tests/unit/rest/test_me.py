"""/me: who asks, and what that caller may do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched import __version__
from jobsched.config.tokens import Token, Tokens, hashed
from jobsched.http.auth import Authenticator
from jobsched.http.site import site
from jobsched.model.caller import SCOPES
from jobsched.rest.me import Me
from tests.unit.rest.conftest import Reactor, ask

UNTIL = datetime(2040, 1, 1, tzinfo=UTC)


def told(tokens: Tokens, secret: str = "") -> Any:
    """What the call answers to the holder of a token."""
    reactor = Reactor()
    door = Authenticator(lambda: tokens, lambda: datetime(2030, 1, 1, tzinfo=UTC), reactor.seconds)
    registry: Any = SimpleNamespace(node_name="alpha")
    front = site(Me(registry, lambda: door.asks).routes(), reactor, admit=door.admit)
    return ask(front, "GET", "/me", authorization=f"Bearer {secret}" if secret else "")


def shown(**fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"name": "one", "scopes": [], "tasks": None, "expires": None, "open": False}
    return usual | fields | {"node": "alpha", "version": __version__}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scopes": {"read"}}, {"scopes": ["read"]}),
        ({"scopes": {"write", "run"}, "tasks": ("run*", "x")}, {"scopes": ["run", "write"], "tasks": ["run*", "x"]}),
        ({"scopes": {"admin"}, "expires": UNTIL}, {"scopes": list(SCOPES), "expires": "2040-01-01T00:00:00Z"}),
    ],
)
def test_each_token_hears_what_it_is(fields: Any, expected: Any) -> None:
    one = Token(name="one", hash=hashed(b"secret"), **(fields | {"scopes": frozenset(fields["scopes"])}))
    answer = told(Tokens((one,)), "secret")
    assert (answer.status, answer.json) == (200, shown(**expected))
    assert told(Tokens((one,))).status == told(Tokens((one,)), "wrong").status == 401


def test_without_tokens_anybody_may_do_all() -> None:
    assert told(Tokens()).json == shown(name=None, scopes=list(SCOPES), open=True)
    assert told(Tokens(closed=True)).status == 401


def test_the_daemon_answers_it(front: Any) -> None:
    assert json.loads(front.get("/me").body)["open"] is True
