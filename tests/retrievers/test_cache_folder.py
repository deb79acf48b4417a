from pathlib import Path

from lateral.retrievers.cache_folder import cache_folder


def test_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("LATERAL_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert cache_folder() == Path("/a")
    monkeypatch.delenv("LATERAL_CACHE")
    assert cache_folder() == Path("/b/lateral")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/c/.cache/lateral")
