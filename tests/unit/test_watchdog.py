"""The decorator for task authors."""

import pytest

from jobsched.watchdog import is_marked, seconds_of, watchdog


@pytest.mark.parametrize(("arguments", "seconds"), [((), None), ((None,), None), ((1,), 1), ((0.5,), 0.5)])
def test_watchdog_marks_the_method_and_leaves_it_as_it_is(arguments, seconds):
    def call(self, info):
        return info

    marked = watchdog(*arguments)(call)

    assert marked is call
    assert is_marked(call)
    assert seconds_of(call) == seconds


def test_a_method_without_the_decorator_is_not_marked():
    assert not is_marked(lambda self, info: None)
    assert seconds_of(lambda self, info: None) is None


@pytest.mark.parametrize("wrong", [0, -1, -0.5, float("nan"), float("inf"), 10**400])
def test_seconds_out_of_range_are_refused_where_written(wrong):
    with pytest.raises(ValueError, match="number of seconds above 0"):
        watchdog(wrong)


@pytest.mark.parametrize("wrong", [True, False, "60", [1], 1j])
def test_what_is_no_number_is_refused_where_it_is_written(wrong):
    with pytest.raises(TypeError, match="takes a number of seconds"):
        watchdog(wrong)


def test_the_decorator_without_parentheses_says_how_to_write_it():
    with pytest.raises(TypeError, match=r"write @watchdog\(\) or @watchdog\(seconds\)"):
        # In a class, under the name of __call__, mypy 2.4.1 would recurse for ever over its type.
        @watchdog  # type: ignore[arg-type]  # the parentheses lack
        def call(self, info):
            pass


def test_a_class_cannot_be_marked():
    with pytest.raises(TypeError, match="__call__"):

        @watchdog()
        class Task:
            pass
