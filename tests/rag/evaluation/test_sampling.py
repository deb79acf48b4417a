import pytest
from lateral.errors import InvalidArgumentError
from lateral.loaders.files import SourceFile
from lateral.rag.evaluation.sampling import Estimated, Stratum, extrapolate, stratify


def files(*sizes, kind="text"):
    return [SourceFile(f"/{kind}/{at}", kind, size, 0, 0) for at, size in enumerate(sizes)]


def test_every_format_is_read_and_no_more_than_was_asked_for():
    strata, order = stratify([*files(*range(1, 101)), *files(5_000, kind="pdf"), *files(10, kind="html")], 20)
    assert {file.format for _, file in order} == {"text", "pdf", "html"}
    assert len(order) <= 20
    assert sum(len(stratum.files) for stratum in strata) == 102
    assert all(file in strata[at].files for at, file in order)
    assert len({file.path for _, file in order}) == len(order)


@pytest.mark.parametrize(("sample", "most"), [(1, 3), (3, 3), (4, 4), (5, 5), (7, 7)])
def test_no_more_files_are_read_than_the_sample_has_but_one_of_each_format(sample, most):
    groups = [*files(*[100] * 9), *files(*[100] * 9, kind="pdf"), *files(1, 1, kind="html")]
    strata, order = stratify(groups, sample)
    assert len(order) == most
    assert all(stratum.chosen for stratum in strata)


def test_all_files_are_read_where_the_sample_is_large_enough():
    strata, order = stratify([*files(*range(1, 8)), *files(9, 9, kind="pdf")], 1_000)
    assert len(order) == 9
    assert sum(len(stratum.chosen) for stratum in strata) == 9


def test_the_sample_must_be_positive():
    with pytest.raises(InvalidArgumentError, match="sample must be a whole number of at least 1, got 0"):
        stratify(files(1), 0)


def test_what_was_read_whole_is_exact():
    group = files(10, 20)
    assert extrapolate([Stratum(group, group, [3.0, 4.0])], float) == Estimated(7, 7, 7)


def test_the_rest_is_in_proportion_to_its_bytes_with_cochrans_error():
    group = files(10, 20, 30, 40)
    found = extrapolate([Stratum(group, [group[0], group[2]], [1.0, 5.0])], float)
    # By hand: ratio 6/40; whole 100 bytes, so 15. Residuals 1 - 1.5 and 5 - 4.5: s^2 = 0.5; 16 * 0.5 * 0.5 / 2 = 2.
    assert found.value == pytest.approx(15)
    assert found.high - found.value == pytest.approx(2 * 2**0.5)
    assert found.low == pytest.approx(15 - 2 * 2**0.5)


def test_one_file_alone_tells_no_spread_and_the_seen_is_the_least():
    group = files(10, 10)
    assert extrapolate([Stratum(group, group[:1], [4.0])], float) == Estimated(8, 4, 12)


def test_a_stratum_that_was_not_reached_is_guessed_from_the_others():
    read, unread = files(10), files(30, kind="pdf")
    found = extrapolate([Stratum(read, read, [2.0]), Stratum(unread, unread, [])], float)
    assert found == Estimated(8, 2, 14)


def test_what_does_not_grow_with_the_file_is_counted_by_file():
    group = files(10, 1_000)
    assert extrapolate([Stratum(group, group[:1], [1.0])], float, by_size=False).value == 2
