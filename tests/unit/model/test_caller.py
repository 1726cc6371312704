"""What a caller may do, and which tasks are there for him."""

import pytest

from jobsched.model.caller import ANYBODY, NOBODY, SCOPES, Caller, is_among, is_pattern
from jobsched.model.errors import Forbidden


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_stands_alone_and_admin_holds_all(scope):
    one = Caller(name="one", scopes=frozenset({scope}))

    assert [other for other in SCOPES if one.may(other)] == (list(SCOPES) if scope == "admin" else [scope])
    assert ANYBODY.may(scope)
    assert not NOBODY.may(scope)


def test_what_is_missing_is_named():
    with pytest.raises(Forbidden, match="this needs the scope 'write', which the token 'eve' does not have"):
        Caller(name="eve", scopes=frozenset({"read", "run"})).must("write")


@pytest.mark.parametrize(
    ("patterns", "seen"),
    [
        (None, ["backup", "backup-db", "Backup", "report", "a%b", "a_b"]),
        ((), []),
        (("backup",), ["backup"]),
        (("backup*",), ["backup", "backup-db"]),
        (("backup?*", "report"), ["backup-db", "report"]),
        (("a?b",), ["a%b", "a_b"]),
        (("a%b",), ["a%b"]),
        (("*",), ["backup", "backup-db", "Backup", "report", "a%b", "a_b"]),
    ],
)
def test_patterns_say_which_tasks_are_there(patterns, seen):
    tasks = ["backup", "backup-db", "Backup", "report", "a%b", "a_b"]

    assert [task for task in tasks if is_among(task, patterns)] == seen
    assert [task for task in tasks if Caller(tasks=patterns).sees(task)] == seen


@pytest.mark.parametrize("text", ["", "[a]", "a[", "a]", "a\nb", "a\0", "x" * 256])
def test_what_not_every_database_would_read_alike_is_no_pattern(text):
    assert not is_pattern(text)
