import pytest
from lateral.rag.evaluation.answer_match import contains_answer, exact_match, token_f1


@pytest.mark.parametrize(
    ("answer", "expected", "exact", "f1", "contains"),
    [
        ("80 degrees", ["80 degrees"], 1, 1, 1),
        ("“The 80 degrees.” [1]", ["80 degrees"], 1, 1, 1),
        ("EIGHTY", ["80 degrees", "eighty"], 1, 1, 1),
        ("It is brewed at 80 degrees. [1][2]", ["80 degrees"], 0, 2 * 2 / (6 + 2), 1),
        ("degrees 80", ["80 degrees"], 0, 1, 0),
        ("180 degrees", ["80 degrees"], 0, 0.5, 0),
        ("about 24 hours", ["24-hour"], 0, 0, 0),
        ("", ["80 degrees"], 0, 0, 0),
        ("[1]", ["the"], 1, 1, 0),
        ("It is 55 metres", ["5.5 metres"], 0, 2 * 2 / (4 + 2), 0),
        ("It is 5.5 metres [3].", ["5.5 metres"], 0, 2 * 2 / (4 + 2), 1),
        ("The sign says the no", ["no"], 0, 2 * 1 / (3 + 1), 1),
        ("yes yes yes", ["yes"], 0, 2 * 1 / 4, 1),
    ],
)
def test_matches_are_those_computed_by_hand(answer, expected, exact, f1, contains):
    assert exact_match(answer, expected) == exact
    assert token_f1(answer, expected) == pytest.approx(f1)
    assert contains_answer(answer, expected) == contains
