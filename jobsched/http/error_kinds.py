"""The kinds of problems that are answered, each with its status and with what a caller does about it."""

from __future__ import annotations

from typing import Final

import attrs

from ..model import errors

PATH: Final = "/errors"


@attrs.frozen
class Kind:
    """One kind of problem: the status it is answered with, what it means and what to do about it."""

    status: int
    means: str
    do: str


KINDS: Final[dict[str, Kind]] = {
    "invalid": Kind(400, "The request makes no sense as it stands.",
                    "Correct what `errors` points at; all that was found is there, 20 places at most, 200 of a set."),
    "unauthorized": Kind(401, "There is no token, or it is not accepted.",
                         "Send one as `Authorization: Bearer TOKEN`, or as the password of Basic."),
    "forbidden": Kind(403, "The token lacks the scope, or the request comes from a web page.",
                      "Ask the operator for a token with the scope that `detail` names."),
    "not-found": Kind(404, "There is no such job, run, task or path, or the token may not see it.",
                      "Look at the list: GET /jobs, GET /runs, GET /catalog."),
    "wrong-method": Kind(405, "This path has no such method.", "`Allow` has those that there are."),
    "too-slow": Kind(408, "The request did not arrive in time.", "Send it again."),
    "conflict": Kind(409, "It exists, and its state forbids what was asked for.",
                     "Look at it again: a run that has ended cannot be cancelled."),
    "bad-catalog": Kind(409, "catalog.cfg has a mistake; its last good version is still in force.",
                        "Correct the line that `detail` names, then reload again."),
    "bad-tokens": Kind(409, "tokens.cfg has a mistake; its last good version is still in force.",
                       "Correct the line that `detail` names, then reload again."),
    "stale": Kind(412, "It was changed since the version that `If-Match` names.",
                  "Get it again, look at what changed, and send the change with the new ETag."),
    "too-large": Kind(413, "The body is larger than any request may be.", "Send less at once."),
    "too-long": Kind(414, "The address is longer than any may be.", "Ask for less in the query."),
    "no-such-range": Kind(416, "The output is shorter than the range that was asked for.",
                          "`Content-Range` says how long it is."),
    "wrong-host": Kind(421, "The request is meant for another host.",
                       "Ask by a name of this daemon, or let the operator add the name to ALLOWED_HOSTS."),
    "key-reused": Kind(422, "This Idempotency-Key came before, with another request.",
                       "Take a new key for a new request."),
    "too-many-tries": Kind(429, "Too many wrong tokens came from this address.", "Wait as long as `Retry-After` says."),
    "headers-too-large": Kind(431, "The headers are larger than any may be.", "Send fewer."),
    "failed": Kind(500, "Jobsched has failed.", "The log says why; please report it."),
    "unavailable": Kind(503, "The store cannot be used now.",
                        "Try again after `Retry-After`, with an Idempotency-Key if it makes something."),
    "busy": Kind(503, "Too much is asked for at once.", "Try again after `Retry-After`."),
    "unreachable": Kind(503, "Another node has what was asked for, and cannot be reached.",
                        "Try again later, or ask that node."),
}  # fmt: skip
OF_ERROR: Final[dict[type[errors.JobschedError], str]] = {
    errors.NotFound: "not-found",
    errors.Invalid: "invalid",
    errors.Conflict: "conflict",
    errors.BadCatalog: "bad-catalog",
    errors.BadTokens: "bad-tokens",
    errors.Stale: "stale",
    errors.Reused: "key-reused",
    errors.Unauthorized: "unauthorized",
    errors.Forbidden: "forbidden",
    errors.Slower: "too-many-tries",
    errors.Unavailable: "unavailable",
    errors.Busy: "busy",
    errors.Unreachable: "unreachable",
}
BY_STATUS: Final = {kind.status: name for name, kind in reversed(KINDS.items())}  # the first of a status


def kind_of(why: BaseException | None) -> str:
    """The kind of problem that an error is."""
    return next((name for error, name in OF_ERROR.items() if isinstance(why, error)), "failed")


def uri(kind: str) -> str:
    """What stands for a kind in `type`: relative to the daemon, which explains it there."""
    return f"{PATH}#{kind}"
