"""Which models, backends and frameworks work here: each is really imported, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from rich.table import Table

from .output import plain, print_json, stderr, stdout, tick

__all__ = ["CHECKS", "Check", "Finding", "diagnose", "print_diagnosis"]

UNUSED = "not used by this version yet"
PROBE_SECONDS = 120  # a cold import of torch and transformers from a slow disk
CURE = "from lateral.retrievers.models.cures import cure_langchain, cure_torchvision; cure_torchvision(); "


@dataclass(frozen=True, slots=True)
class Check:
    """Something that may work here or not.

    Args:
        name: What it is called.
        code: Python that ends well where it works and prints what it found, such as a version.
        extra: The extra that installs it, "" for what comes with lateral itself; None for what pip does not install:
            its error says what does.
        used: Whether anything in this version needs it.
    """

    name: str
    code: str
    extra: str | None = ""
    used: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a check: what was found where it works, else the cause and the pip line, "" where it has none."""

    name: str
    works: bool
    detail: str
    install: str


def _version(module: str, package: str = "") -> str:
    name = package or module.partition(".")[0].replace("_", "-")
    return f"import {module}; from importlib.metadata import version; print(version({name!r}))"


CHECKS = (
    Check("sentence-transformers (bi-encoder)", CURE + _version("sentence_transformers")),
    Check(
        "embedded model all-MiniLM-L6-v2",
        "from lateral.retrievers.models import find_model; print(find_model('all-MiniLM-L6-v2').place)",
        "offline",
    ),
    Check("bm25s", _version("bm25s") + "; import Stemmer"),
    Check("pypdfium2 (PDF)", _version("pypdfium2")),
    Check(
        "Office files (Word, PowerPoint, Excel)",
        "import docx, pptx, openpyxl, defusedxml; from importlib.metadata import version; "
        "print(*(f'{name} {version(name)}' for name in ('python-docx', 'python-pptx', 'openpyxl')), sep=', ')",
        "office",
    ),
    Check("Chroma", _version("chromadb")),
    Check("OpenAI client", _version("openai")),
    Check("RAGatouille (ColBERT)", CURE + "cure_langchain(); " + _version("ragatouille", "RAGatouille"), "colbert"),
    Check(
        "C++ compiler (ColBERT with index='plaid')",
        "from lateral.retrievers.plaid.toolchain import check_toolchain; "
        "print(check_toolchain(), '(compiles the C++ of PLAID, once)')",
        None,
    ),
    Check(
        "colpali-engine (ColPali)", CURE + _version("colpali_engine.models", "colpali-engine"), "colpali", used=False
    ),
    Check(
        "OpenVINO",
        "from lateral.retrievers.models.openvino.runtime import load_openvino; load_openvino(); "
        "from importlib.metadata import version; print(version('openvino')); import optimum.intel",
        "openvino",
    ),
    Check("LlamaIndex", _version("llama_index.core", "llama-index-core"), "llama-index", used=False),
    Check("LangChain", _version("langchain_core.tools", "langchain-core"), "langchain", used=False),
    Check("MCP", _version("mcp"), "mcp", used=False),
    Check("ir-measures (evaluation)", _version("ir_measures"), "evaluate"),
)


def diagnose(checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Returns a finding for each check, in order; two run at a time."""
    with stderr().status("Importing each backend, about half a minute ..."), ThreadPoolExecutor(2) as threads:
        return list(threads.map(_run, checks))


def print_diagnosis(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Prints the findings."""
    if as_json:
        print_json({"python": sys.version.split()[0], "checks": [asdict(finding) for finding in findings]})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "backend", "found"):
        table.add_column(column)
    for it in findings:
        mark = f"[green]{tick(True)}[/green]" if it.works else f"[red]{tick(False)}[/red]"
        cure = f"\n[bold]{plain(it.install)}[/bold]" if it.install else ""
        table.add_row(mark, it.name, plain(it.detail) + cure)
    stdout().print(table)


def _run(check: Check) -> Finding:
    command = [sys.executable, "-P", "-W", "ignore", "-c", check.code]  # no file of the working directory is run
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Finding(check.name, False, f"did not import within {PROBE_SECONDS} s", _install(check))
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    detail = lines[-1] if lines else f"ended with exit code {done.returncode}"
    said = detail if check.used else f"{detail} ({UNUSED})"
    return Finding(check.name, done.returncode == 0, said, "" if done.returncode == 0 else _install(check))


def _install(check: Check) -> str:
    if check.extra is None or not check.used:
        return ""
    target = f"lateral[{check.extra}]" if check.extra else "lateral"
    return f"pip install --upgrade '{target}'"
