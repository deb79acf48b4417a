"""Tiny cross-encoders made on the spot, with random weights. No weights are shipped."""

import json
import shutil
from pathlib import Path

from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.cures import cure_torchvision

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TINY = {"vocab_size": 30522, "initializer_range": 0.2, **SIZES}  # with BERT's own range all pairs score alike
SPREAD = 5  # what the head of random weights is multiplied with, so that scores lie some units apart
IDENTITY = "torch.nn.modules.linear.Identity"
SIGMOID = "torch.nn.modules.activation.Sigmoid"


def tiny_cross_encoder(
    folder: Path, *, seed: int = 0, labels: int = 1, positions: int = 128, activation: str | None = None
) -> Path:
    """Writes a two-layer BERT with a head, as sentence-transformers did before version 6 and most on the hub are."""
    if folder.exists():
        return folder
    cure_torchvision()
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.BertConfig(max_position_embeddings=positions, num_labels=labels, **TINY)
    model = transformers.BertForSequenceClassification(config).eval()
    with torch.no_grad():
        model.classifier.weight.mul_(SPREAD)
    unfinished = folder.with_name(f"{folder.name}.tmp")
    model.save_pretrained(unfinished)
    transformers.AutoTokenizer.from_pretrained(find_model(DEFAULT_BI_ENCODER).path).save_pretrained(unfinished)
    if activation is not None:
        change_json(unfinished / "config.json", sentence_transformers={"activation_fn": activation})
    return unfinished.rename(folder)


def saved_cross_encoder(folder: Path, source: Path, **settings) -> Path:
    """Writes a cross-encoder anew as the installed sentence-transformers does, with modules.json."""
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(source), device="cpu", **settings).save_pretrained(str(folder))
    return folder


def headed_cross_encoder(folder: Path) -> Path:
    """Writes a transformer with pooling and a dense layer behind it, as the Ettin rerankers are made."""
    bare = tiny_cross_encoder(folder.with_name(f"{folder.name} bare"))
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    torch.manual_seed(1)
    score = Dense(
        TINY["hidden_size"],
        1,
        activation_function=torch.nn.Identity(),
        module_input_name="sentence_embedding",
        module_output_name="scores",
    )
    with torch.no_grad():
        score.linear.weight.mul_(SPREAD)
    modules = [Transformer(str(bare)), Pooling(TINY["hidden_size"], "cls"), score]
    CrossEncoder(modules=modules, device="cpu", activation_fn=torch.nn.Identity()).save_pretrained(str(folder))
    return folder


def change_json(path: Path, **settings) -> None:
    """Sets keys of a JSON file, and takes those out that are None."""
    whole = {**json.loads(path.read_text()), **settings}
    path.write_text(json.dumps({name: value for name, value in whole.items() if value is not None}))


def changed(folder: Path, source: Path, file: str = "config.json", **settings) -> Path:
    """A copy of a model's folder with other settings in one of its files."""
    shutil.copytree(source, folder)
    change_json(folder / file, **settings)
    return folder


def predicted(folder: Path, pairs, **settings):
    """What sentence-transformers itself gives for pairs, in float32."""
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32})
    return model.predict(list(pairs), show_progress_bar=False, **settings)
