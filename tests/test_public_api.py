"""The public face as a whole: complete, light, documented."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
import typing
from importlib.metadata import version
from pathlib import Path

import lateral
import pytest
from lateral import errors

ROOT = Path(lateral.__file__).parent
FLOORS = ("llm", "loaders", "retrievers", "rerankers", "rag", "tools")
HEAVY = {
    "torch",
    "openai",
    "transformers",
    "sentence_transformers",
    "chromadb",
    "llama_index",
    "langchain_core",
    "numpy",
    "rich",
}
SUBPACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts)
    for floor in FLOORS
    for path in (ROOT / floor).glob("*/**/__init__.py")
)
MODULES = sorted(
    "lateral." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for floor in FLOORS
    for path in (ROOT / floor).rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)


def loaded_by(code):
    probe = f"{code}\nimport sys, json; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", probe], check=True, stdout=subprocess.PIPE, text=True)
    return set(json.loads(done.stdout))


def test_importing_lateral_and_its_command_line_loads_nothing_heavy():
    assert loaded_by("import lateral, lateral.tools.cli.app") & HEAVY == set()


def test_searching_words_loads_no_torch_and_no_framework(tmp_path):
    code = (
        "from lateral import RAG\nfrom lateral.retrievers import BiEncoderRetriever, HashEmbedder\n"
        f"rag = RAG({str(tmp_path / 'index')!r}, retrievers=('bm25', BiEncoderRetriever(encoder=HashEmbedder())))\n"
        "rag.add({'id': 'a', 'text': 'Green tea is brewed hot.'}); assert rag.ask('How is green tea brewed?').citations"
    )
    assert loaded_by(code) & {"torch", "transformers", "sentence_transformers", "chromadb", "llama_index"} == set()


def test_every_public_name_is_there_and_is_the_one_of_its_module():
    for name, place in lateral._PLACES.items():
        value = getattr(lateral, name)
        assert value.__name__ == name
        assert value.__module__.startswith(f"lateral.{place}")
    assert lateral.__version__ == version("lateral")
    assert set(lateral.__all__) - {"__version__"} == set(lateral._PLACES)
    assert set(lateral.__all__) <= set(dir(lateral))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Rag'"):
        _ = lateral.Rag


@pytest.mark.parametrize("module", MODULES)
def test_all_lists_exactly_what_a_module_defines_in_public(module):
    loaded = importlib.import_module(module)
    defined = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module
    }
    listed = set(loaded.__all__)
    assert [name for name in listed if not hasattr(loaded, name)] == []
    used_elsewhere = defined - listed
    assert used_elsewhere == set(), f"{module} defines {sorted(used_elsewhere)} in public and does not list them"


def test_a_search_loads_no_other_way_of_searching_and_no_client_for_chat_models(tmp_path):
    index = tmp_path / "index"
    with lateral.RAG(index, retrievers="bm25") as rag:
        rag.add({"id": "a", "text": "Green tea is brewed hot."})
    code = f"from lateral import RAG; assert RAG({str(index)!r}).retrieve('tea')"
    probe = f"{code}\nimport sys, json; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", probe], check=True, stdout=subprocess.PIPE, text=True)
    for name in ("retrievers.colbert", "retrievers.plaid", "llm.client"):
        assert f"lateral.{name}" not in json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(set(lateral.__all__) - {"__version__"}))
def test_what_is_annotated_can_be_looked_up(name):
    public = getattr(lateral, name)
    typing.get_type_hints(public)
    for member in vars(public).values() if inspect.isclass(public) else ():
        function = getattr(member, "fget", member)
        if inspect.isfunction(function) and (function.__name__ == "__init__" or not function.__name__.startswith("_")):
            typing.get_type_hints(function)  # as frameworks do that make a tool of a function


@pytest.mark.parametrize("package", ["llm", "rag", "rag.generators", "retrievers", "retrievers.models"])
def test_names_that_are_imported_late_are_those_of_their_modules(package):
    late = importlib.import_module(f"lateral.{package}")
    for name in late.__all__:
        value = getattr(late, name)
        assert vars(late)[name] is value
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__name__, value.__module__.startswith(late.__name__)) == (name, True)
    assert set(late.__all__) <= set(dir(late))
    assert set(late.__all__) == set(inspect.getclosurevars(late.__getattr__).nonlocals["places"])
    with pytest.raises(AttributeError, match=f"module 'lateral.{package}' has no attribute 'nothing'"):
        _ = late.nothing


@pytest.mark.parametrize("floor", [*FLOORS, *SUBPACKAGES])
def test_floors_re_export_and_define_nothing(floor):
    source = (ROOT / floor.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    kinds = {type(node) for node in ast.parse(source).body}
    assert kinds <= {ast.Expr, ast.ImportFrom, ast.Assign, ast.If}
    package = importlib.import_module(f"lateral.{floor}")
    assert [name for name in getattr(package, "__all__", []) if not hasattr(package, name)] == []


def test_every_package_of_the_tree_is_installed():
    setup = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    assert set(setup["packages"]) == {"lateral", *(f"lateral.{name}" for name in (*FLOORS, *SUBPACKAGES))}


def test_every_error_is_listed_documented_and_of_one_tree():
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert classes == set(errors.__all__)
    for name in classes:
        error = getattr(errors, name)
        assert issubclass(error, errors.LateralError)
        assert error.__doc__
        assert error.__doc__.strip().splitlines()[0].endswith(".")


def test_every_extra_that_an_error_names_exists():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    named = set()
    for path in ROOT.glob("*/**/*.py"):
        if path.relative_to(ROOT).parts[0] in FLOORS:
            text = path.read_text(encoding="utf-8")
            named |= set(re.findall(r'require\([^)]*extra="([\w-]+)"', text))
            named |= set(re.findall(r"lateral\[([\w,-]+)\]", text))
    from lateral.tools.cli.doctor import CHECKS

    named |= {check.extra for check in CHECKS if check.extra}
    assert "offline" in named
    assert named <= extras
    together = set(re.findall(r"[\w-]+", "".join(project["optional-dependencies"]["all"]).partition("[")[2]))
    assert together == extras - {"all", "dev"}


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_name_parameters_that_exist(module):
    loaded = importlib.import_module(module)
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        documented = re.search(r"\n    +Args:\n(.*?)(\n\n|\Z)", value.__doc__ or "", re.DOTALL)
        if documented is None:
            continue
        indent = re.match(r" *", documented[1])[0]
        named = re.findall(rf"^{indent}(\w+):", documented[1], re.MULTILINE)
        parameters = [it for it in inspect.signature(value).parameters if it != "self"]
        assert named == [it for it in parameters if it in named], f"{module}.{name}: order or name"
