"""What callers order: a record for each order, which says what is done, what is answered and what is refused.

A store performs each in one transaction. `versions` are those of a job that the caller has seen: an order on a job that
is at none of them raises Stale; None: any. An order on a job or a run that is not there raises NotFound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import attrs

from .audit import Entry, Facts, Signature
from .batch import Batch, BatchAction
from .caller import Caller
from .hold import Hold
from .ids import Ids
from .job import Job, JobView
from .job_set import SetDone, Step, Wanted
from .labels import Label
from .node import Node
from .run import Run
from .selection import Selection

T_co = TypeVar("T_co", covariant=True)  # only ever read: an order that answers an id answers an object
Versions = frozenset[int] | None

REPLACED: Final = "replaced by a later due of its job"


@attrs.frozen(kw_only=True)
class IdempotencyKey:
    """An Idempotency-Key: `scope` is what it was sent to, `digest` stands for the request's body.

    An order under a key that was stored before within 24 hours is not done again: it answers what it made then. Raises
    Reused when the digest is another.
    """

    scope: str
    key: str
    digest: str


@attrs.frozen(kw_only=True)
class Issued:
    """What comes with an order: under whose signature, for whom, through which node. It is given at `signature.at`."""

    signature: Signature
    caller: Caller  # jobs and runs of tasks that he does not see are not there
    node_id: str  # of the daemon that took the order; the others are told
    ids: Ids

    @property
    def now(self) -> datetime:
        """When it was given."""
        return self.signature.at


@attrs.frozen(kw_only=True)
class Performed(Generic[T_co]):
    """What an order came to, and its entry in the audit log; None where it changed nothing."""

    answer: T_co
    entry: Entry | None
    parts: Sequence[Entry] = ()  # those of the parts of a batch


@attrs.frozen(kw_only=True)
class Ran:
    """What an order to run came to: the run, and the runs that it replaces, to be ended each for its `stop`."""

    run: Run
    replaced: tuple[Run, ...] = ()
    again: bool = False  # it was made before, under the same key


@attrs.frozen(kw_only=True)
class Order(Generic[T_co]):
    """Something that a caller orders; it answers a T."""


@attrs.frozen(kw_only=True)
class CreateJob(Order[str]):
    """Store a job. Answers its id, or that of the job which this key made before.

    `chosen`: the caller chose its id. Raises Taken where a job has that id, or the record knows runs of one that had
    it, whoever sees that job; and Conflict for a word while a node of a release is alive that knows none
    (`Node.schema`). Of an id that was in use the version goes on.
    """

    job: Job
    key: IdempotencyKey | None = None
    chosen: bool = False


@attrs.frozen(kw_only=True)
class ChangeJob(Order[JobView]):
    """Make a job what `revise(job, instant)` says of it. Answers the job after it; raises what `revise` raises.

    That is a function, for a patch is applied to what the transaction reads: it is pure, and may be called more than
    once. Where it moves the next due, dues up to now are settled, and those after `instant` are new; otherwise the next
    due, passed or not, stays what it was. With another task, retries that wait are cancelled; each other run stays what
    it was made to be. The version is one more than before.
    """

    job_id: str
    versions: Versions
    revise: Callable[[Job, datetime], Job]


@attrs.frozen(kw_only=True)
class Put:
    """What an order to put a job came to: the job, and whether it was made."""

    view: JobView
    made: bool


@attrs.frozen(kw_only=True)
class PutJob(Order[Put]):
    """Make what `revise(job, instant)` says the job of this id; `job` is None where there is none.

    A job that is there is changed by the rules of `ChangeJob`; nothing is changed, not even the version, where it is so
    already. Otherwise it is made. If it was deleted, what is recorded of it is its past, its version goes on, and its
    dues begin anew, after all that have an outcome.

    Raises Stale where there is a job and `absent`, or none and `present`; Taken where the job, or the one that had the
    id, is of a task that the caller does not see; Conflict as `CreateJob` does.
    """

    job_id: str
    versions: Versions
    absent: bool = False
    present: bool = False
    revise: Callable[[Job | None, datetime], Job]


@attrs.frozen(kw_only=True)
class PauseJob(Order[JobView]):
    """Let dues pass from now on; what waits or runs goes on. Dues before `until` pass, one at `until` runs: the pause
    ends by itself then; None: when the job is resumed. Pausing again changes `until` and `reason`, and pausing twice is
    pausing once. Answers the job after it. Raises Invalid when `until` has passed."""

    job_id: str
    until: datetime | None = None
    reason: str = ""
    versions: Versions = None


@attrs.frozen(kw_only=True)
class ResumeJob(Order[JobView]):
    """Go on with the next due; those that passed meanwhile become one skipped stretch. Answers the job after it."""

    job_id: str
    versions: Versions = None


@attrs.frozen(kw_only=True)
class DeleteJob(Order[list[Run]]):
    """Forget a job; its runs stay. Dues that passed become one skipped stretch, what waits is cancelled. What runs is
    answered, and goes on, unless `cancel` is a reason to end it: then it is to be ended for its `stop`."""

    job_id: str
    cancel: str = ""
    versions: Versions = None


@attrs.frozen(kw_only=True)
class RunJob(Order[Ran]):
    """Add a manual run, due now, under the job's overlap rule: it waits until it is claimed, or is skipped at once.

    Its due is the first microsecond from now on that no run of the job has and that is no due of its schedule. A job
    that runs on every node gets one for each living node that can; the first of them is answered. `peers` are the nodes
    that are known to live. What a key made is answered whatever became of the job since; raises Conflict when that run
    is no longer kept. Raises Conflict, in the words of the hold, for a job on hold, unless `force`; with it the run
    starts in spite of the hold.

    With `due`, which has passed, its due is counted from there instead. The run has `parameters(job)` in place of the
    job's; that function is pure, may be called more than once, and what it raises is raised.
    """

    job_id: str
    key: IdempotencyKey | None = None
    peers: Sequence[Node] = ()
    versions: Versions = None
    due: datetime | None = None
    parameters: Callable[[Job], dict[str, object]] | None = None
    force: bool = False


@attrs.frozen(kw_only=True)
class RerunRun(Order[Ran]):
    """Add a manual run of the same job as `RunJob` does, with the parameters that the run `run_id` had; it knows of
    which run it is the `rerun_of`. Raises Conflict when that run has not ended, or its job is gone or has another task
    by now, or is on hold, unless `force`."""

    run_id: str
    key: IdempotencyKey | None = None
    peers: Sequence[Node] = ()
    force: bool = False


@attrs.frozen(kw_only=True)
class BatchJobs(Order[Batch]):
    """Give an order on each of the jobs that are selected and that the caller sees: `order(id)` is that on one job, a
    function that is pure. In the order of their ids; the jobs are held from the look on.

    All or nothing: raises what the order on one job does, naming the job, and Stale, naming all that are not at the
    version in `versions` (None: any version), or are in it and not selected. With `partial` each is done or not by
    itself, and its part says so. With `plan` nothing is done, and the parts say what would have been. Raises Invalid
    when it selects more than `model.batch.MOST`.

    Each part has its entry; these and the one of the batch have a `group` in common. There is none if nothing changed.
    """

    select: Selection
    action: BatchAction
    order: Callable[[str], Order[Any]]
    versions: Mapping[str, int] | None = None
    plan: bool = False
    partial: bool = False


@attrs.frozen(kw_only=True)
class PutJobs(Order[SetDone]):
    """Make the jobs of a set what is `wanted` of each, as `PutJob` does; with `prune`, delete as `DeleteJob` does what
    else has the label `scope`, which must be given, and is seen by the caller. All or nothing, and one such order after
    the other.

    `steps` are what was planned, by id. They save time and decide nothing: a job that is not any more as it was then is
    looked at again. None is given for a job of which a due that lies ahead was decided already. What is staged under
    the id `staged` (`JobSets.stage`) is carried out as it was computed, as far as it is `job_set.is_quiet`; and where
    nothing has to be staged, so is each step. Raises `Moved`, naming them, if more than `most` jobs
    (None: no limit) have to be looked at one by one.

    Raises Stale if the tag of the set, which `seed` belongs to, is not among `tags` (see `model.set_rules.must_fit`);
    Invalid, which points to the job in the request; Taken and Conflict as `PutJob` does.

    Each part has its entry; these and the one of the set have a `group` in common. There is none if nothing changed.
    """

    wanted: Sequence[Wanted]
    steps: Mapping[str, Step] = attrs.field(factory=dict)
    scope: Label | None = None
    prune: bool = False
    tags: frozenset[str] | None = None
    seed: str = ""
    staged: str = ""
    most: int | None = None


@attrs.frozen(kw_only=True)
class PutHold(Order[Hold]):
    """Hold what `hold` says, in place of the hold that is at one of `versions`, whose `at` it keeps; with `anew` there
    must be none. Its `at` is the store's now. Claims that were under way are over when this is done, and later ones go
    by it. Answers what is stored; its version is one more than that of the last hold. Raises OnHold, which names the
    holder, with `anew` if there is one; without it Stale if there is none or it is at another version; Conflict, which
    names them, while nodes are alive whose release knows no holds; Forbidden as `Hold.must_belong_to`; Invalid when
    `until` has passed."""

    hold: Hold
    anew: bool
    versions: Versions = None


@attrs.frozen(kw_only=True)
class ReleaseHold(Order[Hold]):
    """End the hold, now. Answers it, as it was. Raises NotFound when nothing is on hold, Stale, Forbidden."""

    versions: Versions = None


@attrs.frozen(kw_only=True)
class CancelRun(Order[Run]):
    """Cancel a run that waits; answer one that runs, to be ended by its node for its `stop`: the first reason that was
    given stays. Raises Conflict when it has ended."""

    run_id: str
    reason: str


@attrs.frozen(kw_only=True)
class Reload(Order[None]):
    """Write down that files were read again: what was in force `before`, and what is `after` it."""

    before: Facts
    after: Facts
