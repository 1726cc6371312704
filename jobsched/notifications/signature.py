"""The signature by which a receiver knows that a notification is ours, and new."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


def sign(secrets: Iterable[str], seconds: int, body: bytes) -> str | None:
    """`t=SECONDS,v1=HEX`, with a `v1` for each secret; None without any.

    HEX is the HMAC-SHA256 of `SECONDS.BODY`. The receiver tries the one secret that it knows, and so can be given
    another while both are in use.
    """
    text = b"%d." % seconds + body
    marks = [hmac.new(secret.encode(), text, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={seconds}", *(f"v1={mark}" for mark in marks)]) if marks else None
