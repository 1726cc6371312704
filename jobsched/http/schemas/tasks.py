"""The catalog and its tasks, as they are shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...config.catalog import Leftovers
from ...model.job import Source

EFFECTIVE = Meta(description="What is in force for its runs, and where that stands: of the node that was asked")


class LimitsOut(Struct):
    """What each process of a run may take, and all of them together; null for as much as the daemon itself."""

    nice: Annotated[
        int | None,
        Meta(
            description="How much it gives way to others, from -20 to 19, added to what the daemon does; "
            "null for nothing"
        ),
    ]
    memory: Annotated[int | None, Meta(description="Bytes of address space; null for as much as the daemon may have")]
    cpu: Annotated[
        int | None,
        Meta(description="Seconds of work, after which it is ended by SIGXCPU; null for as many as the daemon has"),
    ]
    files: Annotated[
        int | None, Meta(description="Files and sockets open at once; null for as many as the daemon may have")
    ]
    memory_total: Annotated[
        int | None, Meta(description="Bytes that all processes of a run together may have in memory; null for no limit")
    ]
    pids: Annotated[int | None, Meta(description="Processes and threads of a run at once; null for no limit")]
    cpu_share: Annotated[
        int | None,
        Meta(
            description="Share of the processor against other runs, which have 100, where they want it too, from 1 to "
            "10000; null for 100"
        ),
    ]


class EffectiveOut(Struct):
    """What is in force for a run, and where it stands."""

    timeout: Annotated[
        float | None,
        Meta(description="Seconds after which a run is ended; null: it is not, as of a plain task in a thread"),
    ]
    source: Annotated[
        Source | None,
        Meta(description="Where the number stands: in the job, in its task, or JOB_LIVETIME; null: there is none"),
    ]


class TaskOut(Struct):
    """A task of the catalog."""

    name: Annotated[str, Meta(description="The section of the catalog")]
    description: Annotated[str, Meta(description="The task's docstring")]
    kind: Annotated[str, Meta(description="Where it runs: command, process, async or thread")]
    parameters: Annotated[tuple[str, ...], Meta(description="The names that a job may set")]
    timeout: Annotated[float | None, Meta(description="Seconds after which its runs are ended; null for JOB_LIVETIME")]
    effective: Annotated[EffectiveOut, EFFECTIVE]
    user: Annotated[str | None, Meta(description="As whom it runs; null for the daemon's own user")]
    limits: Annotated[LimitsOut, Meta(description="What each process of a run may take")]
    new_privileges: Annotated[
        bool,
        Meta(description="Whether a run may gain rights that it was not given, through setuid programs such as sudo"),
    ]
    leftovers: Annotated[
        Leftovers | None,
        Meta(
            description="What becomes of what its scripts leave behind: end, wait, keep; "
            "null: what left the session may stay"
        ),
    ]
    success_codes: Annotated[str, Meta(description="The exit codes that count as a success, such as 0, 3, 10-12")]
    expect_output: Annotated[
        str | None, Meta(description="What some line of the output must match, as RE2 has it; null: it may be anything")
    ]
    forbid_output: Annotated[
        str | None, Meta(description="What no line of the output may match; null: it may be anything")
    ]
    problem: Annotated[
        str | None,
        Meta(description="What keeps its runs from being started, when the catalog was read; null: nothing was seen"),
    ]


class Names(Struct):
    """The catalog, in its order."""

    tasks: Annotated[list[str], Meta(description="Names, in the order of the catalog")]
