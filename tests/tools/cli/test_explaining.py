import pytest
from command_line import as_json, furnished, run

QUERY = "how long is green tea brewed"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index that tests only ask."""
    home = furnished(tmp_path_factory.mktemp("made"))
    (home / "docs" / "honey.txt").write_text("Honey keeps for years. Bees \x1b[31mmake it from [red]nectar[/red].")
    assert run(home, "add", "docs").returncode == 0
    return home


def test_the_best_hit_is_explained_within_80_columns(made):
    done = run(made, "explain", QUERY)
    assert done.returncode == 0
    assert "docs/tea.txt" in done.stdout.splitlines()[0]
    assert max(map(len, done.stdout.splitlines())) <= 80
    shown = " ".join(done.stdout.split())
    assert "bm25 1 of 1" in shown
    assert "1 of 4 " in shown
    assert "brewed (brew) brewed" in shown
    assert "bm25: sum of weights" in shown
    assert "bi-encoder: cosine" in shown
    assert "█" in shown


def test_a_rank_an_id_and_a_filter_name_the_passage(made):
    hits = as_json(made, "search", QUERY)["hits"]
    for rank, hit in enumerate(hits, start=1):
        by_rank = as_json(made, "explain", QUERY, rank)
        assert by_rank["id"] == hit["id"]
        assert by_rank == as_json(made, "explain", QUERY, hit["id"])
        assert [it["rank"] for it in by_rank["path"] if it["rank"]] == [it["rank"] for it in hit["trail"]]
    found = as_json(made, "explain", QUERY, "--where", '{"file_name": "honey.txt"}')
    assert found["source"].endswith("honey.txt")
    assert list(found["explanations"]) == ["bm25", "bi-encoder"]


def test_a_passage_that_is_no_hit_is_explained_too(made):
    honey = as_json(made, "search", "honey")["hits"][0]["id"]
    shown = run(made, "explain", "green tea", honey).stdout
    assert "no hit (of 1)" in shown
    assert "\x1b" not in shown
    assert "[red]nectar[/red]" in shown


def test_the_picture_is_written_and_never_over_a_file(made):
    done = run(made, "explain", QUERY, "--html", "why.html")
    assert "The picture is in why.html" in done.stdout
    page = (made / "why.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<mark" in page
    refused = run(made, "explain", "honey", "--html", "why.html")
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert (made / "why.html").read_text(encoding="utf-8") == page
    found = as_json(made, "explain", "honey", "--html", "why.html", "--force")
    assert found["html"] == str(made / "why.html")
    assert "Why “honey”" in (made / "why.html").read_text(encoding="utf-8")
    nowhere = run(made, "explain", QUERY, "--html", "no/such/folder.html")
    assert (nowhere.returncode, "can't be written" in nowhere.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tea", "9"), "has 4 hits: a rank must be at most that, got 9"),
        (("tea", "0"), "at least 1, got 0"),
        (("tea", "nonsense"), "no chunk with the id 'nonsense'"),
        (("tea", "1" * 24), "no chunk with the id"),
        (("",), "no hit to explain: name a node"),
        (("tea", "--where", "["), "--where must be JSON"),
        (("tea", "--where", "[]"), "--where must be a JSON object"),
    ],
)
def test_what_can_not_be_explained_says_why(made, arguments, message):
    done = run(made, "explain", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_without_an_index_it_ends_with_3(home):
    assert run(home, "explain", "tea").returncode == 3


def test_a_terminal_without_blocks_gets_bars_of_another_kind(made):
    assert "####" in run(made, "explain", QUERY, PYTHONIOENCODING="ascii").stdout


def test_a_narrow_terminal_loses_no_words(shared):
    told = run(shared, "explain", "brewed tea", COLUMNS="30").stdout
    assert {"brewed", "brewed (brew)", "tea", "weight", "share"} <= {
        cell.strip() for line in told.splitlines() for cell in line.split("  ")
    }
