"""The command line as its users run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pdfs import make_pdf

LATERAL = Path(sys.executable).with_name("lateral")


def furnished(folder):
    """Fills a working directory: a folder of files, and settings that name the embedder without a model."""
    (folder / "docs").mkdir()
    (folder / "docs" / "tea.txt").write_text("Green tea is brewed at 80 degrees for two minutes.")
    (folder / "docs" / "kettle.pdf").write_bytes(make_pdf([["The kettle holds two litres."], ["Descale it monthly."]]))
    (folder / "lateral.toml").write_text('model = "hash-embedder-64"\n')
    return folder


def run(home, *arguments, as_on_a_terminal=False, **environment):
    """Returns how a command ended; stdout has all that a terminal would show if it is to."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LATERAL_")}
    done = subprocess.run(
        [LATERAL, *map(str, arguments)],
        cwd=home,
        env={**clean, "XDG_CONFIG_HOME": str(home / "config"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if as_on_a_terminal else subprocess.PIPE,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert "Traceback" not in (done.stderr or done.stdout), done.stderr
    return done


def as_json(home, *arguments, code=0, **environment):
    done = run(home, *arguments, "--json", **environment)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)
