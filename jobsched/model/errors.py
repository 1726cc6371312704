"""What can go wrong, in words a caller can act on. HTTP codes live in `http/problems.py` only."""

from __future__ import annotations

from collections.abc import Sequence


class JobschedError(Exception):
    """Anything Jobsched refuses or cannot do; `str()` of it is one line for a person."""


class Invalid(JobschedError, ValueError):
    """A request that makes no sense as it stands; `pointer` names the field (RFC 6901), "": the whole request.

    `more`: what else is wrong with it; the words of the error tell of all.
    """

    def __init__(self, detail: str, pointer: str = "", more: Sequence[Invalid] = ()) -> None:
        self.detail: str = detail
        self.pointer = pointer
        self.more = tuple(more)
        super().__init__("; ".join(each.detail for each in self.all))

    @property
    def all(self) -> tuple[Invalid, ...]:
        """Everything that is wrong, this first."""
        return (self, *self.more)


class BadTrigger(Invalid):
    """A trigger or a zone that can never be followed."""


class _Noting:
    """A class and no generator, one for all faults: a set of jobs enters it a hundred thousand times."""

    __slots__ = ("_found", "_most", "left")

    def __init__(self, found: list[Invalid], most: int | None) -> None:
        self._found = found
        self._most = most
        self.left = 0  # that were not noted, for there are enough

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, why: BaseException | None, _traceback: object) -> bool:
        if isinstance(why, Invalid):
            let_go(why)
            every = why.all
            noted = every if self._most is None else every[: self._most - len(self._found)]
            self._found += noted
            self.left += len(every) - len(noted)
            return True
        return False


class Faults:
    """Gathers what is wrong with a request, so that a caller hears of all of it at once. `most`: so many are kept."""

    def __init__(self, most: int | None = None) -> None:
        self._found: list[Invalid] = []
        self._noting = _Noting(self._found, most)

    def noting(self) -> _Noting:
        """Note a fault that is found within, and go on behind it."""
        return self._noting

    def check(self) -> None:
        """Raises Invalid with all that was noted, if anything was."""
        if self._found:
            first, *more = self._found
            raise type(first)(first.detail, first.pointer, more)


def place(*names: str) -> str:
    """The pointer (RFC 6901) to a field, from the outermost name to its own."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def within(where: str, pointer: str) -> str:
    """The place of what a pointer leads to from `where`, which is a pointer itself or words: `/jobs/3/cron`, `line 12
    /cron`."""
    if not pointer or not where or where.startswith("/"):
        return where + pointer
    return f"{where} {pointer}"


class NotFound(JobschedError):
    """What was asked for is not here."""


def no_job(job_id: str) -> NotFound:
    """The same words, be it unknown or somebody else's."""
    return NotFound(f"there is no job {job_id}")


def no_run(run_id: str) -> NotFound:
    """The same of a run."""
    return NotFound(f"there is no run {run_id}")


class Conflict(JobschedError):
    """What was asked for exists, but its state forbids the request."""


class Taken(Conflict):
    """The id that was asked for is another job's; `path` is where that is to be found."""

    def __init__(self, detail: str, path: str) -> None:
        super().__init__(detail)
        self.path = path


class Ambiguous(Conflict):
    """A name that several jobs have; `ids` are theirs, as many as are told."""

    def __init__(self, detail: str, ids: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.ids = ids


class Moved(Conflict):
    """More jobs than can be looked at again are not as they were when a set was planned; `ids` are theirs."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} jobs were changed, or came due, while the set was prepared; apply it again")
        self.ids = tuple(ids)


class OnHold(Conflict):
    """There is a hold already, and there may be one at a time."""


class Stale(JobschedError):
    """The caller changed a version that is no longer the current one."""


class Reused(JobschedError):
    """An idempotency key came back with another request."""


class Unavailable(JobschedError):
    """The store cannot take or give anything now; trying again later may help.

    `unreachable`: no connection to the database could be made, or the connection broke; false: any other trouble.
    `logged`: the log already says that the store is unreachable.
    """

    def __init__(self, detail: str, *, unreachable: bool = False) -> None:
        super().__init__(detail)
        self.unreachable = unreachable
        self.logged = False


class Busy(JobschedError):
    """Too many requests are being served already; trying again later will help."""


class Unauthorized(JobschedError):
    """The request has no token, or one that is not accepted."""


class Slower(JobschedError):
    """Too many wrong tokens came from one address; `seconds` until the next may be tried."""

    def __init__(self, detail: str, seconds: int) -> None:
        super().__init__(detail)
        self.seconds = seconds


class Forbidden(JobschedError):
    """The request is understood, but its caller may not make it."""


class Unreachable(JobschedError):
    """Another node has what was asked for, and cannot be asked; trying again later may help."""


class BadCatalog(JobschedError):
    """`catalog.cfg` cannot be loaded: file, section and what is wrong, in one line."""


class BadTokens(JobschedError):
    """`tokens.cfg` cannot be followed: file, section and what is wrong, in one line."""


class BadConfig(JobschedError):
    """`jobsched.cfg` or the command line cannot be followed, in one line."""


class BadStore(JobschedError):
    """The database or its folder cannot be used: locked, or of another version."""


def let_go(why: BaseException | None) -> None:
    """Forget where an error was raised, and those that led to it. Their frames hold what was looked at, and each other
    in a circle: a body of many megabytes would stay until Python looks for circles, which then takes seconds."""
    while why is not None:
        why = why.with_traceback(None).__context__


def is_logged(why: BaseException | None) -> bool:
    """Whether the log tells of this error already."""
    return isinstance(why, Unavailable) and why.logged
