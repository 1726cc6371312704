"""The signature: what it is made of, and that a library and the page's own lines of Python know it."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from jobsched.notifications.signature import Signer

PAGE = Path(__file__).parents[3] / "docs" / "notifications.rst"
NOW = 1_800_000_000
ID = "01a2084c-b40a-7f31-9a52-6d1f0c0e5b11"
BODY = b'{"event": "failed"}'
SECRET = "a secret of some length"
IN_BASE64 = "whsec_" + base64.b64encode(SECRET.encode()).decode()

IsOurs = Callable[[str, Message, bytes], bool]


@pytest.fixture
def is_ours(monkeypatch: pytest.MonkeyPatch) -> IsOurs:
    """As the page shows it."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    shown = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text("utf-8"))
    [text] = [text for text in shown if "def is_ours" in text]
    names: dict[str, Any] = {"__name__": "the page"}
    exec(re.sub("(?m)^   ", "", text), names)
    found: IsOurs = names["is_ours"]
    return found


def sent(*secrets: str, seconds: int = NOW, body: bytes = BODY, changed: Mapping[str, str] | None = None) -> Message:
    """The headers as a receiver has them; `changed` on the way."""
    message = Message()
    for name, value in {**Signer(secrets).headers(ID, seconds, body), **(changed or {})}.items():
        message[name] = value
    return message


def test_it_is_the_hmac_of_id_seconds_and_body() -> None:
    # printf '%s' "$ID.1800000000."'{"event": "failed"}' | openssl dgst -sha256 -hmac "$SECRET" -binary | base64
    expected = "HwHqQ/lYuztXjwUTHxkEr1Nj9c2HASG4RI9q0nBJ4Rs="
    for secret in (SECRET, IN_BASE64):
        headers = Signer([secret], old=False).headers(ID, NOW, BODY)
        assert headers == {"webhook-id": ID, "webhook-timestamp": str(NOW), "webhook-signature": f"v1,{expected}"}


def test_several_secrets_give_several_signatures() -> None:
    both = Signer(["the new secret", "the old secret"]).headers(ID, NOW, BODY)["webhook-signature"]
    each = [Signer([one]).headers(ID, NOW, BODY)["webhook-signature"] for one in ("the new secret", "the old secret")]
    assert both == " ".join(each)


def test_without_a_secret_nothing_is_signed() -> None:
    assert Signer().headers(ID, NOW, BODY) == {"webhook-id": ID, "webhook-timestamp": str(NOW)}


def test_the_older_header_is_sent_beside() -> None:
    # printf '%s' '1800000000.{"event": "failed"}' | openssl dgst -sha256 -hmac 'a secret of some length'
    expected = "t=1800000000,v1=d508a41eb7b6e9359aa10575188ea9fc778c86a656942bc42bb25727e036b37c"
    headers = Signer([SECRET]).headers(ID, NOW, BODY)
    assert headers.pop("Jobsched-Signature") == expected
    assert headers == Signer([SECRET], old=False).headers(ID, NOW, BODY)
    two = Signer([SECRET, IN_BASE64]).headers(ID, NOW, BODY)["Jobsched-Signature"]
    assert two.startswith(f"{expected},v1=")
    assert not two.endswith(expected[-64:]), "its key is the secret as it is written"


# An implementation that is not ours.


@given(key=st.binary(min_size=1), body=st.text())
def test_a_library_knows_it(key: bytes, body: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = Signer(["another secret", secret]).headers(ID, int(time.time()), body.encode())
    Webhook(secret).verify(body, headers, json_parse=False)


@given(secret=st.text(min_size=1).filter(lambda text: not text.startswith("whsec_")))
def test_a_library_knows_a_secret_by_its_bytes(secret: str) -> None:
    headers = Signer([secret]).headers(ID, int(time.time()), BODY)
    assert Webhook(secret.encode()).verify(BODY, headers) == {"event": "failed"}


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_library_refuses_what_was_changed(name: str) -> None:
    headers = Signer([IN_BASE64]).headers(ID, int(time.time()), BODY)
    headers[name] = {"webhook-signature": "v1," + "A" * 43 + "="}.get(name, headers[name][:-1] + "x")
    with pytest.raises(WebhookVerificationError):
        Webhook(IN_BASE64).verify(BODY, headers)


# The page.


def test_the_page_knows_it(is_ours: IsOurs) -> None:
    headers = sent(SECRET, IN_BASE64, "the old secret")
    for secret in (SECRET, IN_BASE64, "the old secret"):
        assert is_ours(secret, headers, BODY)


def test_the_page_refuses_all_else(is_ours: IsOurs) -> None:
    assert not is_ours("another secret", sent(SECRET), BODY)
    assert not is_ours(SECRET, sent(SECRET), BODY + b" ")
    assert not is_ours(SECRET, sent(SECRET, changed={"webhook-timestamp": str(NOW - 1)}), BODY)
    assert not is_ours(SECRET, sent(SECRET, changed={"webhook-id": "another"}), BODY)
    assert not is_ours(SECRET, sent(SECRET, seconds=NOW - 301), BODY)
    assert not is_ours(SECRET, sent(SECRET, changed={"webhook-signature": "v1,\u00e9 nonsense"}), BODY)
    assert not is_ours(SECRET, sent(), BODY)
    assert not is_ours(SECRET, Message(), BODY)
