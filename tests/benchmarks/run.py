"""Runs the benchmarks, prints a table, and writes it as Markdown and JSON.

Each measurement is a process of its own, repeated where it is a time; medians are quoted. Imports and model loading are
outside every time except those of the cold-start rows. A peer runs in an environment of its own, made when it is
missing, on the same nodes and the same model files.
"""

import argparse
import compileall
import shutil
import sys
from pathlib import Path

import core
import files
import fusion
import late
import lateral
import speed
from report import write

ROUNDS = 3
BESIDE_PEERS = {"speed", "late"}  # groups that measure both sides in turn, over and over
GROUPS = {"core": core.rows, "fusion": fusion.rows, "files": files.rows, "speed": speed.rows, "late": late.rows}


def compile_package():
    """Compiles our modules as pip does when it installs a wheel, and did for the peers.

    In an editable install each is compiled at its first import, or at every one where PYTHONDONTWRITEBYTECODE is set:
    that took a fifth of a cold search.
    """
    root = Path(lateral.__file__).parent
    compileall.compile_dir(root, maxlevels=0, quiet=2)
    for package in root.glob("*/__init__.py"):
        compileall.compile_dir(package.parent, quiet=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of corpora in BEIR form")
    parser.add_argument("--out", type=Path, required=True, help="folder for indexes and results, emptied first")
    parser.add_argument("--only", choices=GROUPS, nargs="+", default=list(GROUPS), help="groups of rows")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often both sides are measured; one is a look")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    compile_package()
    rows = []
    for name in arguments.only:
        rounds = {"rounds": arguments.rounds} if name in BESIDE_PEERS else {}
        rows += GROUPS[name](arguments.corpora, arguments.out, **rounds)
        write(rows, arguments.out, arguments.rounds)  # what was measured stays if a later group fails
    print(write(rows, arguments.out, arguments.rounds))
    missing = [name for name in core.CORPORA if not (arguments.corpora / name).is_dir()]
    if missing:
        print(f"not measured, no such folder under {arguments.corpora}: {', '.join(missing)}")
    sys.exit(1 if any(it.reached is False for it in rows) else 0)


if __name__ == "__main__":
    main()
