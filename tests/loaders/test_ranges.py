import pytest
from lateral.loaders.ranges import ranges


@pytest.mark.parametrize(("numbers", "expected"), [([7], "7"), ([1, 2], "1-2"), ([1, 2, 3, 7, 9, 10], "1-3, 7, 9-10")])
def test_runs_of_numbers_are_joined(numbers, expected):
    assert ranges(numbers) == expected
