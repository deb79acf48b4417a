"""The command line as its users run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

LATERAL = Path(sys.executable).with_name("lateral")


def run(home, *arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LATERAL_")}
    done = subprocess.run(
        [LATERAL, *map(str, arguments)],
        cwd=home,
        env={**clean, "XDG_CONFIG_HOME": str(home / "config"), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def as_json(home, *arguments, code=0, **environment):
    done = run(home, *arguments, "--json", **environment)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)
