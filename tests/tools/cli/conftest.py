import pytest
from pdfs import make_pdf


@pytest.fixture
def home(tmp_path):
    """A working directory with a folder of files and a settings file that names the embedder without a model."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tea.txt").write_text("Green tea is brewed at 80 degrees for two minutes.")
    (tmp_path / "docs" / "kettle.pdf").write_bytes(
        make_pdf([["The kettle holds two litres."], ["Descale it monthly."]])
    )
    (tmp_path / "lateral.toml").write_text('model = "hash-embedder-64"\n')
    return tmp_path
