"""The words of the option `limits`."""

import pytest

from jobsched.model.rlimits import ResourceLimits, resource_limits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ResourceLimits()),
        ("  ", ResourceLimits()),
        ("nice=10, memory=512M, cpu=60, files=256", ResourceLimits(nice=10, memory=512 * 1024**2, cpu=60, files=256)),
        ("cpu = 1,\nfiles = 3", ResourceLimits(cpu=1, files=3)),
        ("nice=-20", ResourceLimits(nice=-20)),
        ("nice=+19", ResourceLimits(nice=19)),
        ("nice=0", ResourceLimits(nice=0)),
        ("memory=4096", ResourceLimits(memory=4096)),
        ("memory=1k", ResourceLimits(memory=1024)),
        ("memory=2G", ResourceLimits(memory=2 * 1024**3)),
        ("memory=1024T", ResourceLimits(memory=1024**5)),
        ("memory_total=2G, pids=50", ResourceLimits(memory_total=2 * 1024**3, pids=50)),
        ("cpu_share=10000", ResourceLimits(cpu_share=10_000)),
    ],
)
def test_what_is_read(text, expected):
    assert resource_limits(text) == expected


NAMES = "nice, memory, cpu, files, memory_total, pids, cpu_share"
ALL = f"must be {NAMES}, each as NAME=NUMBER with commas between them, not "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ram=1", f"{ALL}'ram=1'"),
        ("Nice=1", f"{ALL}'Nice=1'"),
        ("nice", f"{ALL}'nice'"),
        ("nice=1,", f"{ALL}''"),
        ("nice=1 cpu=2", "nice must be a whole number from -20 to 19, not '1 cpu=2'"),
        ("cpu=1, cpu=2", "cpu is there twice"),
        ("nice=20", "nice must be a whole number from -20 to 19, not '20'"),
        ("nice=-21", "nice must be a whole number from -20 to 19, not '-21'"),
        ("nice=1.5", "nice must be a whole number from -20 to 19, not '1.5'"),
        ("nice=\u0661", "nice must be a whole number from -20 to 19, not '\u0661'"),
        ("memory=", "memory must be a number of bytes, such as 512M or 2G, not ''"),
        ("memory=0", "memory must be a number of bytes, such as 512M or 2G, not '0'"),
        ("memory=1.5G", "memory must be a number of bytes, such as 512M or 2G, not '1.5G'"),
        ("memory=512MB", "memory must be a number of bytes, such as 512M or 2G, not '512MB'"),
        ("memory=-1", "memory must be a number of bytes, such as 512M or 2G, not '-1'"),
        ("memory=1025T", "memory must be a number of bytes, such as 512M or 2G, not '1025T'"),
        ("cpu=0", "cpu must be a whole number above 0, not '0'"),
        ("cpu=1m", "cpu must be a whole number above 0, not '1m'"),
        ("files=1e3", "files must be a whole number above 0, not '1e3'"),
        ("memory_total=x", "memory_total must be a number of bytes, such as 512M or 2G, not 'x'"),
        ("pids=0", "pids must be a whole number above 0, not '0'"),
        ("cpu_share=0", "cpu_share must be a whole number from 1 to 10000, not '0'"),
        ("cpu_share=10001", "cpu_share must be a whole number from 1 to 10000, not '10001'"),
        ("files=9999999999", "files must be a whole number above 0, not '9999999999'"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the words are compared whole
        resource_limits(text)
    assert str(refused.value) == words


def test_those_of_all_processes_together():
    asked = resource_limits("nice=1, memory=1G, memory_total=2G, pids=50, cpu_share=20")
    assert asked.of_all == {"memory_total": 2 * 1024**3, "pids": 50, "cpu_share": 20}
    assert ResourceLimits(nice=1, memory=1).of_all == {}
