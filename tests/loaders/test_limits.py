import pytest
from lateral.errors import InvalidArgumentError
from lateral.loaders.limits import MAX_PAGE_PIXELS, check_page, page_pixels


def test_pixels_are_those_of_an_image_at_150_dpi():
    assert page_pixels(72, 144) == pytest.approx(150 * 300)


def test_an_a0_poster_may_be_shown_and_twice_its_size_may_not():
    width, height = 2384, 3370  # points
    assert page_pixels(width, height) <= MAX_PAGE_PIXELS < page_pixels(width, 2 * height)


def test_a_page_is_counted_from_1():
    check_page(1, 3, "x")
    check_page(3, 3, "x")
    for page in (0, 4):
        with pytest.raises(InvalidArgumentError, match=f"there are 3 pages in 'x', counted from 1, and no page {page}"):
            check_page(page, 3, "x")
