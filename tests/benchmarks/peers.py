"""Environments of the peers: each has its own, made with pip when it is missing, from the project's own constraints."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = {
    "llama-index": (
        "llama-index-core",
        "llama-index-embeddings-huggingface",
        "llama-index-vector-stores-chroma",
        "llama-index-readers-file==0.7.*",
        "llama-index-retrievers-bm25",
        "pystemmer<3",
        "pypdf<7",
        "pandas<3",
    ),
}


def python_of(peer):
    """Returns the interpreter of a peer's environment."""
    folder = ROOT / "build" / "peers" / peer
    python, ready = folder / "bin" / "python", folder / "ready"
    wanted = "\n".join(REQUIREMENTS[peer])
    if not ready.is_file() or ready.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        constraints = folder / "constraints.txt"
        constraints.write_text(_constraints(REQUIREMENTS[peer]))
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", constraints, *REQUIREMENTS[peer]], check=True)
        ready.write_text(wanted)
    return python


def _constraints(requirements):
    """Returns the project's constraints without those on packages that the peer needs another version of."""
    own = {_name(it) for it in requirements}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return "\n".join(line for line in lines if _name(line) not in own) + "\n"


def _name(requirement):
    return re.split(r"[<=>]", requirement)[0].lower()
