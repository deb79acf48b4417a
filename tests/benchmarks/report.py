"""The table that every benchmark adds rows to."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("lateral", "torch", "sentence-transformers", "openvino", "chromadb", "bm25s", "numpy")


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, the figure, the bar and whether it is reached (None: only reported)."""

    work: str
    figure: str
    bar: str = ""
    reached: bool | None = None

    def __post_init__(self):
        if self.reached is not None:  # a comparison in numpy gives neither JSON nor what `is False` knows
            object.__setattr__(self, "reached", bool(self.reached))


def measured(script, *arguments, python=sys.executable):
    """Runs a script in a process of its own and returns the JSON object that it prints last."""
    command = [str(python), str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    processor = next(named, platform.processor())
    return f"{os.cpu_count()} cores of {processor}, Python {platform.python_version()}, {packages}"


def table(rows):
    marks = {True: "✓", False: "✗", None: ""}
    lines = [f"| {it.work} | {it.figure} | {it.bar} | {marks[it.reached]} |" for it in rows]
    return "\n".join(["| work | figure | bar | |", "|---|---|---|---|", *lines])


def write(rows, out, rounds):
    """Writes results.md and results.json, and returns the text of the first."""
    text = f"{machine()}; ROUNDS={rounds}\n\n{table(rows)}\n"
    (out / "results.md").write_text(text, encoding="utf-8")
    results = {"machine": machine(), "rounds": rounds, "rows": [asdict(it) for it in rows]}
    (out / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    return text
