import json
import unicodedata
from pathlib import Path

import pytest
from judged_corpora import QUESTIONS, write_lines, write_questions
from lateral.errors import InvalidArgumentError, SourceRootError
from lateral.loaders.node import Node
from lateral.rag.evaluation import read_questions
from lateral.rag.evaluation.questions import find_questions

REPOSITORY = Path(__file__).parents[3]


def read(folder, questions=None, name="questions.jsonl"):
    write_questions(folder, questions, name)
    return read_questions(folder, folder / name)


def node(source, page=None, text=""):
    return Node("n1", "d1", str(source), page, "chunk", text, 0, len(text))


def test_each_question_is_judged_by_the_finest_thing_it_names(tmp_path):
    corpus = read(tmp_path / "docs")
    assert corpus.queries == {f"q{at}": QUESTIONS[at - 1]["question"] for at in (1, 2, 3)}
    assert corpus.qrels == {"q1": {"tea.txt": 1}, "q2": {"kettle.pdf#2": 1}, "q3": {"answer": 1}}
    assert [corpus.judged_by(query) for query in ("q1", "q2", "q3")] == ["document", "page", "answer"]
    assert corpus.answers == {"q1": ["80 degrees"], "q2": ["monthly"], "q3": ["honey  KEEPS for years"]}
    assert corpus.unanswerable == {"q4": "Who won the football cup in 1998?"}
    assert (corpus.name, corpus.remarks) == ("docs", ())


def test_the_questions_are_no_document(tmp_path):
    corpus = read(tmp_path / "docs")
    assert [Path(path).name for path in corpus.sources()] == ["honey.md", "kettle.pdf", "tea.txt"]


def test_a_node_stands_for_its_file_its_page_or_the_answer(tmp_path):
    folder = tmp_path / "docs"
    corpus = read(folder)
    assert corpus.unit("q1", node(folder / "tea.txt")) == "tea.txt"
    assert corpus.unit("q2", node(folder / "kettle.pdf", 2)) == "kettle.pdf#2"
    assert corpus.unit("q2", node(folder / "tea.txt")) == "tea.txt"
    assert corpus.unit("q3", node(folder / "honey.md", text="Pure Honey\nkeeps for  years.")) == "answer"
    assert corpus.unit("q3", node(folder / "honey.md", text="Honey is sweet.")) == "honey.md#n1"
    assert corpus.unit("q3", node(folder / "honey.md", text="Honey keeps for yearsteen.")) == "honey.md#n1"


CSV = 'question,file,page,answer\nHow hot?,tea.txt,,80 degrees\n"Descale, when?",kettle.pdf,2,\nThe cup?,,,\n'


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        "\ufeff" + CSV.replace("\n", "\r\n"),
        CSV.replace('"Descale, when?"', "Descale@").replace(",", ";").replace("@", ", when?"),
        CSV.replace('"Descale, when?"', "Descale@").replace(",", "\t").replace("@", ", when?").replace("file", "FILE "),
    ],
    ids=["commas", "BOM and CRLF", "semicolons", "tabs"],
)
def test_csv_is_read_as_spreadsheets_write_it(tmp_path, text):
    folder = write_questions(tmp_path / "docs")
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode())
    corpus = read_questions(folder, path)
    assert corpus.queries == {"q1": "How hot?", "q2": "Descale, when?"}
    assert corpus.qrels == {"q1": {"tea.txt": 1}, "q2": {"kettle.pdf#2": 1}}
    assert corpus.unanswerable == {"q3": "The cup?"}


def test_the_questions_about_the_samples_are_read():
    samples = REPOSITORY / "notebooks" / "samples"
    corpus = read_questions(samples, REPOSITORY / "notebooks" / "sample_questions.json")
    assert (len(corpus.queries), len(corpus.unanswerable), corpus.remarks) == (12, 5, ())
    assert corpus.qrels["q1"] == {"water-handbook.pdf#6": 1}


def test_rows_with_one_question_name_several_right_places(tmp_path):
    rows = [
        {"question": "Litres?", "file": "kettle.pdf", "page": 1, "answer": "two"},
        {"question": " litres? ", "file": "docs/../kettle.pdf", "page": 2, "answer": "2"},
    ]
    rows[1]["file"] = "kettle.pdf"
    corpus = read(tmp_path / "docs", rows)
    assert corpus.queries == {"q1": "Litres?"}
    assert corpus.qrels == {"q1": {"kettle.pdf#1": 1, "kettle.pdf#2": 1}}
    assert corpus.answers == {"q1": ["two", "2"]}


def test_files_are_found_by_path_by_name_and_by_windows_path(tmp_path):
    folder = tmp_path / "docs"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "deep.txt").write_text("deep")
    names = ["deep.txt", "a/b/deep.txt", "a\\b\\deep.txt", "./a/b/deep.txt", str(folder / "a/b/deep.txt")]
    corpus = read(folder, [{"question": f"q{at}", "file": name} for at, name in enumerate(names)])
    assert [list(units) for units in corpus.qrels.values()] == [["a/b/deep.txt"]] * 5


@pytest.mark.parametrize(("on_disk", "in_row"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_are_one_or_two_characters_in_names(tmp_path, on_disk, in_row):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / unicodedata.normalize(on_disk, "Zürich café.txt")).write_text("tram")
    called = unicodedata.normalize(in_row, "Zürich café.txt")
    corpus = read(folder, [{"question": "Tram?", "file": called}])
    assert corpus.remarks == ()
    assert set(corpus.qrels["q1"]) <= corpus.known_units


def test_a_name_of_two_files_has_to_be_written_with_its_path(tmp_path):
    folder = tmp_path / "docs"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "same.txt").write_text(name)
    with pytest.raises(InvalidArgumentError, match=r"line 1: 'same.txt' may be a/same.txt or b/same.txt"):
        read(folder, [{"question": "which?", "file": "same.txt"}])


def test_unknown_files_are_counted_and_stay_judged(tmp_path):
    corpus = read(tmp_path / "docs", [*QUESTIONS, {"question": "Gone?", "file": "gone.pdf", "page": 1}])
    assert corpus.qrels["q5"] == {"gone.pdf#1": 1}
    (remark,) = corpus.remarks
    assert (remark.kind, remark.count) == ("unknown_files", 1)
    assert remark.first.endswith("questions.jsonl, line 5, 'gone.pdf'")


def test_a_row_that_stands_twice_is_said_and_counts_once(tmp_path):
    corpus = read(tmp_path / "docs", [*QUESTIONS, {**QUESTIONS[0], "question": "how hot  is green tea brewed?"}])
    assert corpus.qrels["q1"] == {"tea.txt": 1}
    (remark,) = corpus.remarks
    assert (remark.kind, remark.count) == ("repeated_rows", 1)
    assert remark.first.endswith("questions.jsonl, line 5")


def test_files_that_can_not_be_read_are_counted(tmp_path):
    folder = write_questions(tmp_path / "docs")
    (folder / "empty.pdf").write_bytes(b"")
    (remark,) = read_questions(folder, folder / "questions.jsonl").remarks
    assert (remark.kind, remark.count) == ("unread_files", 1)
    assert "empty.pdf" in remark.first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"file": "tea.txt"}], "line 1: expected a question"),
        ([{"question": " ", "file": "tea.txt"}], "line 1: expected a question"),
        ([{"question": ["a"], "file": "tea.txt"}], "line 1: expected question to be a text"),
        (
            [{"question": "a", "file": "kettle.pdf", "page": 0}],
            "line 1: expected page to be a whole number from 1, got 0",
        ),
        ([{"question": "a", "file": "kettle.pdf", "page": "ii"}], "line 1: expected page to be a whole number"),
        ([{"question": "a", "file": "kettle.pdf", "page": True}], "line 1: expected page to be a whole number"),
        ([{"question": "a", "file": "kettle.pdf", "page": "9" * 5000}], "line 1: expected page to be a whole number"),
        ([{"question": "a\ud800", "file": "tea.txt"}], "line 1: 'a.ud800' holds half a character"),
        ([{"question": "a", "answer": "\udc00"}], "line 1: .* holds half a character"),
        ([{"question": "a", "page": 3}], "line 1: names page 3 of no file"),
        (
            [{"question": "a", "file": "kettle.pdf", "page": 1}, {"question": "a", "file": "tea.txt"}],
            "line 2: this question expects a page in one row and a whole file in another",
        ),
        (
            [{"question": "a", "file": "TEA.txt"}],
            r"names no file of .* \(such as 'TEA.txt'; the folder holds 'honey.md'\) and no answer for any question",
        ),
        ([{"question": "a"}], "names no file of .* and no answer for any question"),
        ([], "holds no question"),
    ],
)
def test_what_can_not_be_judged_is_told_with_file_and_line(tmp_path, rows, message):
    with pytest.raises(InvalidArgumentError, match=message):
        read(tmp_path / "docs", rows)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.csv", "frage,datei\na,b\n", "line 1: expected a header with question, and file or answer"),
        ("q.csv", "question,page\na,1\n", "line 1: expected a header with question, and file or answer"),
        ("q.csv", "question,file\na,tea.txt,3,4\n", "line 2: expected 2 fields"),
        ("q.csv", 'question,file\n"a"b,tea.txt\n', "line 2: is no CSV"),
        ("q.csv", 'question,file\n"a,tea.txt\n', "line 2: is no CSV"),
        ("q.csv", "", "holds no question"),
        ("q.json", "{", "is no JSON"),
        ("q.json", "{}", "expected a JSON list of questions, got dict"),
        ("q.json", "[1]", "entry 1: expected an object with a question, got 1"),
        ("q.jsonl", "[]", "line 1: expected a JSON object"),
    ],
)
def test_a_file_of_another_form_is_told_with_its_line(tmp_path, name, text, message):
    folder = write_questions(tmp_path / "docs")
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgumentError, match=message):
        read_questions(folder, tmp_path / name)


def test_missing_things_are_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"there is no file of questions .*none\.csv"):
        read_questions(tmp_path, tmp_path / "none.csv")
    questions = write_lines(tmp_path / "questions.jsonl", [json.dumps(QUESTIONS[0])])
    with pytest.raises(SourceRootError, match="there is no file or folder"):
        read_questions(tmp_path / "nowhere", questions)
    with pytest.raises(InvalidArgumentError, match="holds no file that can be indexed"):
        read_questions(tmp_path, questions)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(InvalidArgumentError, match=r"that can be indexed: .*empty\.txt: the file is empty"):
        read_questions(tmp_path, questions)


def test_the_questions_of_a_folder_are_found_unless_there_is_a_choice(tmp_path):
    folder = write_questions(tmp_path / "docs")
    assert find_questions(folder).name == "questions.jsonl"
    (folder / "questions.csv").write_text(CSV)
    with pytest.raises(InvalidArgumentError, match="holds 2 of these: name the questions with --questions FILE"):
        find_questions(folder)
    with pytest.raises(InvalidArgumentError, match="and holds neither"):
        find_questions(tmp_path)


def test_a_sample_keeps_answerable_and_unanswerable_questions(tmp_path):
    corpus = read(tmp_path / "docs").sampled(1)
    assert list(corpus.queries) == list(corpus.qrels) == list(corpus.answers) == ["q1"]
    assert list(corpus.unanswerable) == ["q4"]


def test_a_document_that_lists_the_questions_is_said(tmp_path):
    folder = tmp_path / "docs"
    write_questions(folder)
    listed = "".join(f"| [ ] | {row['question']} |\n" for row in QUESTIONS)
    (folder / "review.md").write_text(listed)
    (folder / "old.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (remark,) = read_questions(folder, folder / "questions.jsonl").remarks
    assert (remark.kind, remark.count, remark.first) == ("question_lists", 2, "'old.jsonl'")
    (folder / "review.md").unlink()
    (folder / "old.jsonl").unlink()
    (folder / "tea.txt").write_text(f"{listed}Green tea is brewed at 80 degrees.")
    assert read_questions(folder, folder / "questions.jsonl").remarks == (), "a page of frequent questions is expected"


def test_of_two_questions_no_document_is_called_a_list(tmp_path):
    folder = tmp_path / "docs"
    two = [{"question": "How hot is tea?", "file": "tea.txt"}, {"question": "How big is the kettle?", "answer": "two"}]
    write_questions(folder, two)
    (folder / "notes.md").write_text("How hot is tea? How big is the kettle?")
    assert read_questions(folder, folder / "questions.jsonl").remarks == ()
