"""Files, and libraries that misbehave, for the tests of this floor."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Writes bytes into a file of a name; gives its path."""

    def write_file(raw, name="a.pdf"):
        (tmp_path / name).write_bytes(raw)
        return str(tmp_path / name)

    return write_file


@pytest.fixture
def pdfium(tmp_path, monkeypatch):
    """Puts a library in the place of pdfium in processes that start from now on."""

    def write(program):
        (tmp_path / "library").mkdir()
        (tmp_path / "library" / "pypdfium2.py").write_text(program)
        monkeypatch.syspath_prepend(tmp_path / "library")

    return write
