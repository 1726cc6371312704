"""Which of the numbers that may be set is in force."""

import pytest

from jobsched.model.job import Timeout, timeout_of

NONE = Timeout()


@pytest.mark.parametrize(
    ("job", "kind", "task", "found"),
    [
        (5.0, "command", 7.0, Timeout(seconds=5.0, source="job")),
        (5.0, "thread", None, Timeout(seconds=5.0, source="job")),
        (5.0, None, None, Timeout(seconds=5.0, source="job")),  # the catalog has no such task now
        (None, "command", 7.0, Timeout(seconds=7.0, source="task")),
        (None, "process", 7.0, Timeout(seconds=7.0, source="task")),
        (None, "command", None, Timeout(seconds=3600, source="JOB_LIVETIME")),
        (None, "async", None, Timeout(seconds=3600, source="JOB_LIVETIME")),
        (None, "thread", None, NONE),
        (None, None, None, NONE),
    ],
)
def test_the_nearest_number_counts(job, kind, task, found):
    assert timeout_of(job, kind, task, 3600) == found
