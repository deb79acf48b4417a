import json
import math

import pytest
from lateral.retrievers.remembered import recall, remember

DEPENDS_ON = {"space": "abc", "probes": (("a", "b"),), "questions": True}
NUMBERS = (0.1 + 0.2, -1e-17)  # neither has a short decimal form


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def only_file(cache):
    (path,) = (cache / "scales").iterdir()
    return path


def test_what_is_remembered_is_recalled_to_the_last_digit(cache):
    assert recall("scales", DEPENDS_ON) is None
    assert not cache.exists()
    remember("scales", DEPENDS_ON, NUMBERS)
    assert recall("scales", DEPENDS_ON) == NUMBERS
    assert only_file(cache).suffix == ".json"


@pytest.mark.parametrize("changed", [{"space": "abd"}, {"probes": (("a", "c"),)}, {"questions": False}, {"more": 1}])
def test_whatever_it_depends_on_is_part_of_what_is_asked_for(changed):
    remember("scales", DEPENDS_ON, NUMBERS)
    assert recall("scales", {**DEPENDS_ON, **changed}) is None
    assert recall("others", DEPENDS_ON) is None
    assert recall("scales", DEPENDS_ON) == NUMBERS


def test_every_damaged_byte_is_found(cache):
    remember("scales", DEPENDS_ON, NUMBERS)
    path = only_file(cache)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for byte in (whole[at] ^ 1, ord("7")):
            path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
            assert recall("scales", DEPENDS_ON) in (None, NUMBERS)
            path.write_bytes(whole[:at])
            assert recall("scales", DEPENDS_ON) is None
    remember("scales", DEPENDS_ON, NUMBERS)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "content",
    ["", "[]", "7", '"text"', "{}", '{"numbers": 3}', "[" * 4_000, "x" * 10_000, '{"numbers": [1.0, 2.0]}', "\ud800"],
)
def test_a_foreign_file_is_as_good_as_none(cache, content):
    remember("scales", DEPENDS_ON, NUMBERS)
    path = only_file(cache)
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    assert recall("scales", DEPENDS_ON) is None
    remember("scales", DEPENDS_ON, NUMBERS)
    assert recall("scales", DEPENDS_ON) == NUMBERS


def test_a_file_under_another_key_is_foreign(cache):
    remember("scales", DEPENDS_ON, NUMBERS)
    path = only_file(cache)
    other = {**DEPENDS_ON, "space": "other"}
    remember("scales", other, (0.5, 0.75))
    (another,) = set((cache / "scales").iterdir()) - {path}
    another.replace(path)
    assert recall("scales", DEPENDS_ON) is None
    assert recall("scales", other) is None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_recalled(cache, number):
    remember("scales", DEPENDS_ON, (0.5, number))
    assert len(json.loads(only_file(cache).read_text())["numbers"]) == 2
    assert recall("scales", DEPENDS_ON) is None


def test_a_cache_that_can_not_be_written_or_read_remembers_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "file"))
    remember("scales", DEPENDS_ON, NUMBERS)
    assert recall("scales", DEPENDS_ON) is None


def test_a_folder_in_the_file_s_place_remembers_nothing_and_leaves_nothing(cache):
    remember("scales", DEPENDS_ON, NUMBERS)
    path = only_file(cache)
    path.unlink()
    path.mkdir()
    remember("scales", DEPENDS_ON, NUMBERS)
    assert recall("scales", DEPENDS_ON) is None
    assert only_file(cache) == path
