"""Small judged corpora, written as their users have them."""

import json

from pdfs import make_pdf

DOCUMENTS = {
    "honey": "Honey keeps for years in a closed jar. Bees make it from nectar.",
    "bread": "Sourdough rises for twelve hours. The oven is heated to 230 degrees.",
    "tea": "Green tea is brewed at 80 degrees for two minutes.",
    "kettle": "The kettle holds two litres. Descale it monthly.",
}
QUERIES = {"q-tea": "brewing green tea", "q-heat": "degrees", "q-jar": "honey in a jar"}
QRELS = {"q-tea": {"tea": 1}, "q-heat": {"bread": 2, "tea": 1}, "q-jar": {"honey": 1, "kettle": 0}}


def write_beir(folder, *, documents=None, queries=None, qrels=None, split="test"):
    """A folder in BEIR form; each part is lines as they are to stand in the file, or the tiny corpus."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    corpus = [json.dumps({"_id": name, "title": "", "text": text}) for name, text in DOCUMENTS.items()]
    asked = [json.dumps({"_id": name, "text": text}) for name, text in QUERIES.items()]
    judged = [f"{query}\t{document}\t{grade}" for query, its in QRELS.items() for document, grade in its.items()]
    header = "query-id\tcorpus-id\tscore"
    write_lines(folder / "corpus.jsonl", corpus if documents is None else documents)
    write_lines(folder / "queries.jsonl", asked if queries is None else queries)
    write_lines(folder / "qrels" / f"{split}.tsv", [header, *judged] if qrels is None else qrels)
    return folder


def write_lines(path, lines):
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


QUESTIONS = [
    {"question": "How hot is green tea brewed?", "file": "tea.txt", "answer": "80 degrees"},
    {"question": "How often is the kettle descaled?", "file": "kettle.pdf", "page": 2, "answer": "monthly"},
    {"question": "What keeps for years?", "answer": "honey  KEEPS for years"},
    {"question": "Who won the football cup in 1998?"},
]


def write_questions(folder, questions=None, name="questions.jsonl"):
    """A folder of three documents, one of them paged, with a file of questions."""
    folder.mkdir(exist_ok=True)
    (folder / "tea.txt").write_text(DOCUMENTS["tea"])
    (folder / "honey.md").write_text(f"# Honey\n\n{DOCUMENTS['honey']}\n")
    (folder / "kettle.pdf").write_bytes(make_pdf([["The kettle holds two litres."], ["Descale it monthly."]]))
    write_lines(folder / name, [json.dumps(row) for row in (QUESTIONS if questions is None else questions)])
    return folder
