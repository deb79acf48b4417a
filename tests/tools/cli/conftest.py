import pytest
from command_line import furnished, run


@pytest.fixture
def home(tmp_path):
    """See `furnished`."""
    return furnished(tmp_path)


@pytest.fixture
def indexed(home):
    """The same with an index of the folder."""
    assert run(home, "add", "docs").returncode == 0
    return home


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Such a directory with an index, made once, for tests that change nothing there."""
    home = furnished(tmp_path_factory.mktemp("shared"))
    assert run(home, "add", "docs").returncode == 0
    return home
