"""What callers ask about the keys of jobs, and what they order."""

from __future__ import annotations

import secrets

from ..config.tokens import hashed
from ..model.job_key import FORM, PREFIX, SHOWN, JobKey, opens
from ..model.key_orders import MakeKey, RevokeKey
from .jobs import Jobs


class JobKeys(Jobs):
    """The registry's calls on keys."""

    async def keys(self, job_id: str) -> list[JobKey]:
        """The keys of a job, those made first come first."""
        await self.job(job_id)
        return await self._store.job_keys.of_job(job_id)

    async def make_key(self, job_id: str) -> tuple[JobKey, str]:
        """Make a key of a job. Returns what is kept of it, and the key, which nobody can read again."""
        secret = PREFIX + secrets.token_urlsafe(32)
        order = MakeKey(job_id=job_id, hash=hashed(secret.encode()), last=secret[-SHOWN:])
        return await self._perform(order), secret

    async def revoke_key(self, job_id: str, key_id: str) -> None:
        """Revoke a key of a job: when this returns, it opens nothing any more."""
        await self._perform(RevokeKey(job_id=job_id, key_id=key_id))

    async def opened_by(self, job_id: str, secret: str) -> bool:
        """Whether this is a key of that job, whatever the caller sees."""
        if FORM.fullmatch(secret) is None:  # it was never made
            return False
        return opens(await self._store.job_keys.of_job(job_id), hashed(secret.encode()))
