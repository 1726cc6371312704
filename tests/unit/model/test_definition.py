"""What parameters may hold."""

from __future__ import annotations

import pytest

from jobsched.model.definition import MOST_PARAMETERS, check_parameters, parameters_size
from jobsched.model.errors import Invalid

FRAME = len('{"text":""}')


@pytest.mark.parametrize("char", ["a", "\u00e9", "\u20ac", "\U0001f600", "\x01", '"'])
def test_parameters_have_64_kib_of_json_at_most(char: str) -> None:
    width = parameters_size({"text": char}) - FRAME
    most = (MOST_PARAMETERS - FRAME) // width
    check_parameters({"text": char * most})
    with pytest.raises(Invalid, match="bytes of JSON together, and may hold 65536"):
        check_parameters({"text": char * (most + 1)})


def test_short_parameters_count_together_with_their_names() -> None:
    fits = {f"name{number:04}": "\x01" * 10 for number in range(MOST_PARAMETERS // 74)}
    check_parameters(fits)
    with pytest.raises(Invalid, match="bytes of JSON"):
        check_parameters(fits | {f"more{number:04}": number for number in range(MOST_PARAMETERS // 74)})
