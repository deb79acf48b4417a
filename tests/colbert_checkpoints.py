"""ColBERT checkpoints made on the spot: one with real semantics, and tiny ones with none. No weights are shipped."""

import json
import os
import shutil
from pathlib import Path

from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.cures import cure_torchvision

SETTINGS = {
    "query_token_id": "[unused0]",
    "doc_token_id": "[unused1]",
    "query_token": "[Q]",
    "doc_token": "[D]",
    "similarity": "cosine",
    "attend_to_mask_tokens": False,
    "mask_punctuation": True,
    "query_maxlen": 32,
    "doc_maxlen": 220,
    "dim": 128,
}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TINY_DIM = 16


def minilm_checkpoint(root: Path) -> Path:
    """Returns a Stanford checkpoint whose token vectors are MiniLM's, turned and cut to 128 dimensions; made once."""
    folder = root / "minilm-colbert"
    if (folder / "artifact.metadata").is_file():
        return folder
    import torch
    from safetensors.torch import load_file

    bundled = find_model(DEFAULT_BI_ENCODER).path
    weights = {f"bert.{name}": tensor for name, tensor in load_file(bundled / "model.safetensors").items()}
    torch.manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(384, 384))
    weights["linear.weight"] = turn[:128].contiguous()
    config = json.loads((bundled / "config.json").read_text())
    unfinished = root / f"minilm-colbert.{os.getpid()}"
    write_stanford(unfinished, config, weights, tokenizer=bundled)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def write_stanford(folder: Path, config: dict, weights: dict, *, tokenizer: Path, **settings) -> Path:
    """Writes a checkpoint as colbert-ai does."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["HF_ColBERT"]}))
    (folder / "artifact.metadata").write_text(json.dumps({**SETTINGS, **settings}))
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copy(tokenizer / name, folder / name)
    return folder


def tiny_bert(seed: int = 0, positions: int = 128):
    """Returns a two-layer BERT of 32 dimensions with random weights."""
    cure_torchvision()
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.BertConfig(vocab_size=30522, max_position_embeddings=positions, **TINY)
    return transformers.BertModel(config, add_pooling_layer=False).eval()


def tiny_checkpoint(folder: Path, *, seed: int = 0, **settings) -> Path:
    """Writes a tiny random Stanford checkpoint of 16 dimensions that reads 64 tokens."""
    import torch

    bert = tiny_bert(seed)
    weights = {f"bert.{name}": tensor.contiguous() for name, tensor in bert.state_dict().items()}
    weights["linear.weight"] = torch.randn(TINY_DIM, TINY["hidden_size"])
    said = {"dim": TINY_DIM, "doc_maxlen": 64, "query_maxlen": 16, **settings}
    return write_stanford(folder, bert.config.to_dict(), weights, tokenizer=find_model(DEFAULT_BI_ENCODER).path, **said)


def tiny_parts(root: Path, *, seed: int = 0):
    """Returns a Transformer module of sentence-transformers and the projection to put behind it."""
    bert = tiny_bert(seed)
    import torch
    from sentence_transformers.base.modules import Dense, Transformer
    from transformers import AutoTokenizer

    folder = root / f"bert{seed}"
    bert.save_pretrained(folder)
    AutoTokenizer.from_pretrained(find_model(DEFAULT_BI_ENCODER).path).save_pretrained(folder)
    dense = Dense(
        TINY["hidden_size"],
        TINY_DIM,
        bias=False,
        activation_function=torch.nn.Identity(),
        module_input_name="token_embeddings",
    )
    return Transformer(str(folder), max_seq_length=64), dense


def multi_vector_checkpoint(folder: Path, *, expansion: dict | None, skip: list[str], prompts: dict[str, str]) -> Path:
    """Writes a tiny checkpoint as sentence-transformers does."""
    transformer, dense = tiny_parts(folder.parent / f"{folder.name} parts")
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    transformer.query_expansion = expansion
    transformer.document_length = 48
    modules = [
        transformer,
        dense,
        MultiVectorMask(skiplist_words=skip),
        Normalize(module_input_name="token_embeddings"),
    ]
    MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu").save_pretrained(str(folder))
    return folder


def pylate_checkpoint(folder: Path, **settings) -> Path:
    """Writes a tiny checkpoint as PyLate 3 does: a Transformer, its own Dense, and the rest among the settings."""
    transformer, dense = tiny_parts(folder.parent / f"{folder.name} parts")
    transformer.tokenizer.add_tokens(["[Q] ", "[D] "])
    transformer.model.resize_token_embeddings(len(transformer.tokenizer))
    transformer.save(str(folder))
    (folder / "1_Dense").mkdir()
    dense.save(str(folder / "1_Dense"))
    config = json.loads((folder / "1_Dense" / "config.json").read_text())
    old = {name: value for name, value in config.items() if not name.startswith("module_")}
    (folder / "1_Dense" / "config.json").write_text(json.dumps(old))
    types = {"": "sentence_transformers.models.Transformer", "1_Dense": "pylate.models.Dense.Dense"}
    modules = [{"idx": at, "name": str(at), "path": path, "type": types[path]} for at, path in enumerate(types)]
    (folder / "modules.json").write_text(json.dumps(modules))
    said = {
        "model_type": "ColBERT",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": 20,
        "document_length": 40,
        "attend_to_expansion_tokens": False,
        "do_query_expansion": True,
        **settings,
    }
    (folder / "config_sentence_transformers.json").write_text(json.dumps(said))
    return folder
