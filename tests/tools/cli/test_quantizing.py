"""`lateral quantize` on an index of the default model, and what `--dtype` then does."""

import shutil
from types import SimpleNamespace

import pytest
from command_line import as_json, run
from judged_corpora import write_beir
from lateral.retrievers.models import Quantization
from lateral.retrievers.models.openvino.quantize import takes_sample
from lateral.tools.cli.quantizing import print_quantization
from quantized_models import PASSAGES, cache_with_default

pytestmark = pytest.mark.slow  # a quantization is a process that imports NNCF

TEA = "How hot is the water for green tea?"
UNKNOWN = "dtype must be one of auto, float32, bfloat16, float16, got 'int9'; a bi-encoder's may be 'int8', too"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A directory with an index of passages, and a cache that holds the default model's export alone."""
    home = tmp_path_factory.mktemp("plain")
    (home / "docs").mkdir()
    for at, text in enumerate(PASSAGES):
        (home / "docs" / f"{at:02}.txt").write_text(text)
    cache_with_default(home / "cache")
    assert run(home, "add", "docs", **cache_of(home)).returncode == 0
    return home


@pytest.fixture(scope="module")
def quantized(plain, tmp_path_factory):
    """The same after `lateral quantize`, and what it said in JSON."""
    home = shutil.copytree(plain, tmp_path_factory.mktemp("quantized") / "home")
    return SimpleNamespace(home=home, said=as_json(home, "quantize", **cache_of(home)))


def cache_of(home):
    return {"LATERAL_CACHE": str(home / "cache")}


def test_json_tells_what_was_measured(quantized):
    said = quantized.said
    assert set(said) == {
        "model",
        "sample",
        "measured",
        "usual",
        "cosine",
        "lowest_cosine",
        "kept",
        "query_ms",
        "usual_query_ms",
        "texts_per_second",
        "usual_texts_per_second",
        "pays",
    }
    assert (said["model"], said["sample"], said["measured"]) == ("all-MiniLM-L6-v2", 22 if takes_sample() else 0, 22)
    assert said["usual"] in ("float32", "bfloat16")
    assert 0.98 < said["lowest_cosine"] <= said["cosine"] < 1
    assert 0 < said["kept"] <= 1


def test_a_person_sees_both_columns_and_what_to_do_next(quantized):
    done = run(quantized.home, "quantize", **cache_of(quantized.home))
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    how = "by a sample of 22 sentences" if takes_sample() else "its weights alone: a quarter of the bytes"
    assert lines[0] == f"all-MiniLM-L6-v2 is at hand in int8, {how}."
    assert lines[1] == f"{quantized.said['usual']} int8"
    assert [line.rpartition(" ")[0].rpartition(" ")[0] for line in lines[2:4]] == ["a query, ms", "texts a second"]
    text = " ".join(lines[4:])
    assert text.startswith("On 22 other texts: cosine to float32 0.9")
    assert "of the ten nearest texts stay among the ten nearest." in text
    assert "`--dtype int8` or LATERAL_DTYPE=int8 uses it" in text


@pytest.mark.parametrize(("query_ms", "said"), [(4.0, True), (2.0, False)])
def test_a_person_is_told_where_it_saves_no_time(capsys, query_ms, said):
    usual = {"usual": "float32", "usual_query_ms": 3.0, "usual_texts_per_second": 20.0}
    measured = {"sample": 128, "measured": 256, "cosine": 0.991, "lowest_cosine": 0.98, "kept": 0.91}
    print_quantization(Quantization("m", **measured, **usual, query_ms=query_ms, texts_per_second=18.0))
    text = " ".join(capsys.readouterr().out.split())
    assert ("It saves no time on this machine: float32 is as fast or faster." in text) is said


@pytest.mark.parametrize(
    ("sample", "how"), [(128, "by a sample of 128 sentences."), (0, "its weights alone: a quarter of the bytes.")]
)
def test_a_person_is_told_what_was_brought_to_int8(capsys, sample, how):
    usual = {"usual": "float32", "usual_query_ms": 3.0, "usual_texts_per_second": 20.0}
    measured = {"sample": sample, "measured": 256, "cosine": 0.991, "lowest_cosine": 0.98, "kept": 0.91}
    print_quantization(Quantization("m", **measured, **usual, query_ms=2.0, texts_per_second=18.0))
    assert capsys.readouterr().out.startswith(f"m is at hand in int8, {how}\n")


@pytest.mark.parametrize("asked", ["flag", "variable", "file"])
def test_a_search_takes_it_by_flag_by_variable_and_by_file(quantized, tmp_path, asked):
    index = ("--index", quantized.home / ".lateral")
    if asked == "file":
        (tmp_path / "lateral.toml").write_text('dtype = "int8"\n')
    flags = ("--dtype", "int8") if asked == "flag" else ()
    variables = {"LATERAL_DTYPE": "int8"} if asked == "variable" else {}
    cache = cache_of(quantized.home)
    done = run(tmp_path, "--verbose", "search", TEA, *index, *flags, **variables, **cache)
    assert done.returncode == 0
    assert "bi-encoder all-MiniLM-L6-v2: cpu, int8 and" in done.stderr
    [first, *_] = as_json(tmp_path, "search", TEA, *index, *flags, **variables, **cache)["hits"]
    assert first["text"] == PASSAGES[0]


def test_a_flag_goes_over_a_variable_and_nothing_changes_without_either(quantized):
    home, cache = quantized.home, cache_of(quantized.home)
    done = run(home, "--verbose", "search", TEA, "--dtype", "float32", LATERAL_DTYPE="int8", **cache)
    assert "cpu, float32," in done.stderr
    done = run(home, "--verbose", "search", TEA, **cache)
    assert done.returncode == 0
    assert "int8" not in done.stderr


def test_answers_documents_and_the_evaluation_take_it(quantized, tmp_path):
    home = shutil.copytree(quantized.home / "docs", tmp_path / "docs").parent
    cache = cache_of(quantized.home)
    done = run(home, "--verbose", "add", "docs", "--dtype", "int8", **cache)
    assert "cpu, int8 and" in done.stderr
    assert as_json(home, "status", **cache)["retrievers"]["bi-encoder"] == {"model": "all-MiniLM-L6-v2"}
    assert as_json(home, "add", "docs", **cache)["unchanged"] == 44
    done = run(home, "--verbose", "ask", TEA, "--dtype", "int8", **cache)
    assert "cpu, int8 and" in done.stderr
    assert "Green tea is brewed at 80 degrees for two minutes." in done.stdout
    write_beir(home / "tiny")
    judged = as_json(home, "evaluate", "tiny", "--dtype", "int8", "--index", "kept", **cache)
    assert judged["configuration"]["settings"] == {"bi-encoder": {"dtype": "int8"}}
    judged = as_json(home, "evaluate", "tiny", "--index", "kept", LATERAL_DTYPE="int8", **cache)
    assert judged["configuration"]["settings"] == {"bi-encoder": {"dtype": "int8"}}
    assert as_json(home, "evaluate", "tiny", "--index", "kept", **cache)["configuration"]["settings"] == {}
    assert as_json(home, "compare", "tiny", "--dtype", "int8", **cache)["baseline"] == "bi-encoder"


def test_without_a_quantization_one_line_says_what_to_do(plain):
    done = run(plain, "search", TEA, "--dtype", "int8", **cache_of(plain))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "all-MiniLM-L6-v2 is not at hand in int8: bring it there with some of your texts, by `lateral quantize` on "
        "your index or `quantize_bi_encoder`"
    ]
    said = as_json(plain, "search", TEA, "--dtype", "int8", code=2, **cache_of(plain))
    assert said["error"]["type"] == "ModelNotFoundError"


@pytest.mark.parametrize(
    "command", [("search", TEA), ("ask", TEA), ("add", "docs"), ("add", "docs", "--index", "new"), ("evaluate", "tiny")]
)
def test_an_unknown_dtype_is_told_in_one_line(plain, tmp_path, command):
    home = shutil.copytree(plain, tmp_path / "home", ignore=shutil.ignore_patterns("cache"))
    write_beir(home / "tiny")
    for flags, variables in ((("--dtype", "int9"), {}), ((), {"LATERAL_DTYPE": "int9"})):
        done = run(home, *command, *flags, **variables)
        assert (done.returncode, done.stdout, done.stderr.splitlines()) == (2, "", [UNKNOWN])


@pytest.fixture(scope="module")
def others(plain, tmp_path_factory):
    """A directory with indexes that can't be quantized."""
    home = tmp_path_factory.mktemp("others")
    (home / "tea.txt").write_text(PASSAGES[0])
    (home / "files").mkdir()
    (home / "files" / "tea.txt").write_text(PASSAGES[0])
    for name, flags in (
        ("words", ("--retrievers", "bm25")),
        ("hashed", ("--model", "hash-embedder-64")),
        ("emptied", ("--model", "hash-embedder-64")),
        ("short", ()),
    ):
        assert run(home, "add", "tea.txt", *flags, "--index", name, **cache_of(plain)).returncode == 0
    assert run(home, "remove", "tea.txt", "--index", "emptied").returncode == 0
    return home


@pytest.mark.parametrize(
    ("index", "code", "message"),
    [
        ("nowhere", 3, "no index at"),
        ("files", 3, "no index at"),
        ("words", 2, "the index words has no bi-encoder"),
        ("hashed", 2, "hash-embedder-64 is computed by no model"),
        ("emptied", 3, "the index emptied holds nothing yet: add documents first"),
        ("short", 2, "int8 needs a sample of at least 40 different texts of the corpus, got 1"),
    ],
)
def test_an_index_that_can_not_serve_is_told_in_one_line(others, index, code, message):
    done = run(others, "quantize", "--index", index)
    assert (done.returncode, done.stdout) == (code, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(message)
    said = as_json(others, "quantize", "--index", index, code=code)
    assert said["error"]["message"] == line


def test_a_dtype_for_an_index_without_vectors_is_an_error_as_a_flag_alone(others):
    for command in (("search", TEA), ("ask", TEA)):
        done = run(others, *command, "--index", "words", "--dtype", "int8")
        assert done.returncode == 2
        assert "--dtype sets the bi-encoder retriever, which is not among bm25" in done.stderr
        assert run(others, *command, "--index", "words", LATERAL_DTYPE="int8").returncode == 0
