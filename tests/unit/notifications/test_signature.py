"""The signature: what it is made of, and that the page's own lines of Python know it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobsched.notifications.signature import sign

PAGE = Path(__file__).parents[3] / "docs" / "notifications.rst"
NOW = 1_800_000_000
BODY = b'{"event": "failed"}'


@pytest.fixture
def is_ours(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """As the page shows it."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    [text] = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text("utf-8"))[1:]
    names: dict[str, Callable[..., bool]] = {}
    exec(re.sub("(?m)^   ", "", text), names)
    return names["is_ours"]


def test_it_is_the_hmac_of_seconds_and_body() -> None:
    # echo -n '1800000000.{"event": "failed"}' | openssl dgst -sha256 -hmac 'a secret of some length'
    assert sign(["a secret of some length"], NOW, BODY) == (
        "t=1800000000,v1=d508a41eb7b6e9359aa10575188ea9fc778c86a656942bc42bb25727e036b37c"
    )


def test_without_a_secret_nothing_is_signed() -> None:
    assert sign([], NOW, BODY) is None


def test_the_page_knows_it(is_ours: Callable[..., bool]) -> None:
    header = sign(["the new secret", "the old secret"], NOW, BODY)
    assert is_ours("the new secret", header, BODY)
    assert is_ours("the old secret", header, BODY)


def test_the_page_refuses_all_else(is_ours: Callable[..., bool]) -> None:
    header = sign(["the secret"], NOW, BODY)
    assert not is_ours("another secret", header, BODY)
    assert not is_ours("the secret", header, BODY + b" ")
    assert not is_ours("the secret", header.replace("t=18", "t=17"), BODY)
    assert not is_ours("the secret", sign(["the secret"], NOW - 301, BODY), BODY)
    assert not is_ours("the secret", "", BODY)
    assert not is_ours("the secret", "nonsense", BODY)
