"""A small cross-encoder, trained on every other question of a corpus in BEIR form; the rest is left to be measured.

    python tests/benchmarks/train_cross_encoder.py CORPUS OUT
    lateral evaluate OUT/held-out --rerank cross-encoder=OUT/model --rerank-depth 20

It begins as the bundled MiniLM-L6, so it has the size of ms-marco-MiniLM-L6, and a thousandth of its training: enough
to say how the gain grows with the candidates, not how large it can be. Half an hour on two cores.
"""

import argparse
import json
import random
import shutil
import tempfile
from pathlib import Path

from lateral import RAG
from lateral.rag.evaluation import read_beir
from lateral.retrievers.models import find_model
from lateral.retrievers.models.cures import cure_torchvision

POSITIVES, NEGATIVES = 4, 6  # a question: right documents, and wrong ones that the default retrieval finds
DEPTH = 40  # chunks among which these are drawn
EPOCHS, BATCH, RATE, WARM_UP = 2, 16, 5e-5, 0.1
MAX_TOKENS = 224
SEED = 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    chance = random.Random(SEED)
    corpus = read_beir(arguments.corpus)
    write_held_out(corpus, arguments.corpus, arguments.out / "held-out")
    train(pairs_of(corpus, list(corpus.queries)[::2], chance), arguments.out / "model", chance)


def write_held_out(corpus, folder, out):
    """Writes the corpus with the judgements of the other questions alone."""
    (out / "qrels").mkdir(parents=True, exist_ok=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        shutil.copyfile(folder / name, out / name)
    lines = [
        f"{query}\t{document}\t{grade}"
        for query in list(corpus.queries)[1::2]
        for document, grade in corpus.qrels.get(query, {}).items()
    ]
    (out / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines, ""]), encoding="utf-8")


def pairs_of(corpus, queries, chance):
    """Returns (question, text, 1.0 or 0.0) with as hard wrong texts as a search gives."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder, RAG(folder) as rag:
        rag.add([{"id": source, "text": text} for source, text in corpus.texts.items()])
        for query in queries:
            grades, question = corpus.qrels.get(query, {}), corpus.queries[query]
            right = [document for document, grade in grades.items() if grade > 0 and document in corpus.texts]
            found = dict.fromkeys(hit.node.source for hit in rag.retrieve(question, DEPTH))
            wrong = [document for document in found if document not in grades]
            pairs += [(question, corpus.texts[it], 1.0) for it in chance.sample(right, min(POSITIVES, len(right)))]
            pairs += [(question, corpus.texts[it], 0.0) for it in chance.sample(wrong, min(NEGATIVES, len(wrong)))]
    return pairs


def train(pairs, out, chance):
    """Trains by binary cross-entropy (Nogueira & Cho 2019, section 3.1) and saves the model."""
    cure_torchvision()
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(SEED)
    base = find_model("all-MiniLM-L6-v2").path
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    steps = EPOCHS * -(-len(pairs) // BATCH)
    rise = max(1, int(WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: min(at / rise, (steps - at) / (steps - rise)))
    share = sum(label for _, _, label in pairs) / len(pairs)
    loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor((1 - share) / share))
    for epoch in range(EPOCHS):
        total = 0.0
        batches = shuffled(pairs, chance)
        for done, batch in enumerate(batches, start=1):
            questions, texts, labels = zip(*batch, strict=True)
            inputs = tokenizer(
                list(questions), list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            with torch.autocast("cpu", torch.bfloat16):
                scores = model(**inputs).logits[:, 0]
            loss = loss_of(scores.float(), torch.tensor(labels))
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item()
            if done % 50 == 0:
                print(json.dumps({"epoch": epoch, "batch": done, "of": len(batches), "loss": total / done}), flush=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def shuffled(pairs, chance):
    """Returns batches of texts of like length, in random order."""
    pairs = sorted(pairs, key=lambda pair: (len(pair[1]), chance.random()))
    batches = [pairs[at : at + BATCH] for at in range(0, len(pairs), BATCH)]
    chance.shuffle(batches)
    return batches


if __name__ == "__main__":
    main()
