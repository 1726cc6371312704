"""The headers by which a receiver can check that a notification is ours, and new.

Their format is that of Standard Webhooks (https://www.standardwebhooks.com), with its symmetric signatures, `v1`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import attrs

from ..model.receiver import signing_key


@attrs.frozen
class Signer:
    """Signs with each of `secrets`: a receiver tries the secret that it knows, so a secret can be replaced while the
    old one is still in use.

    `old`: `Jobsched-Signature` is added for receivers that know no other header; the next release drops that header.
    """

    secrets: Sequence[str] = attrs.field(default=(), repr=False)
    old: bool = True

    def headers(self, message: str, seconds: int, body: bytes) -> dict[str, str]:
        """All headers that a receiver needs. Without a secret nothing is signed.

        `message` is the id of the delivery, the same at each attempt; `seconds` is the time of this attempt.
        """
        headers = {"webhook-id": message, "webhook-timestamp": str(seconds)}
        if not self.secrets:
            return headers
        text = f"{message}.{seconds}.".encode() + body
        marks = (base64.b64encode(_mac(signing_key(secret), text)).decode() for secret in self.secrets)
        headers["webhook-signature"] = " ".join(f"v1,{mark}" for mark in marks)
        if self.old:
            headers["Jobsched-Signature"] = self._old(seconds, body)
        return headers

    def _old(self, seconds: int, body: bytes) -> str:
        """`t=SECONDS,v1=HEX`: for each secret a `v1`, the HMAC of `SECONDS.BODY`; the key is the secret as written."""
        marks = (_mac(secret.encode(), b"%d." % seconds + body).hex() for secret in self.secrets)
        return ",".join([f"t={seconds}", *(f"v1={mark}" for mark in marks)])


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, hashlib.sha256)
