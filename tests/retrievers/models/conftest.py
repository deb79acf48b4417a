"""Tiny models made on the spot by sentence-transformers, for both runtimes."""

from types import SimpleNamespace

import pytest
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.cures import cure_torchvision


@pytest.fixture(scope="session")
def library():
    """sentence-transformers, torch and transformers, imported once."""
    cure_torchvision()
    import sentence_transformers
    import torch
    import transformers
    from sentence_transformers.sentence_transformer import modules

    return SimpleNamespace(
        SentenceTransformer=sentence_transformers.SentenceTransformer,
        modules=modules,
        torch=torch,
        transformers=transformers,
    )


@pytest.fixture(scope="session")
def tiny(library, tmp_path_factory):
    """Makes folders with a two-layer BERT of 32 dimensions and what comes behind it."""
    root = tmp_path_factory.mktemp("models")
    asked = {}
    torch, modules = library.torch, library.modules

    def bert(seed):
        path = root / f"bert{seed}"
        if not path.exists():
            torch.manual_seed(seed)
            sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
            config = library.transformers.BertConfig(vocab_size=30522, max_position_embeddings=128, **sizes)
            library.transformers.BertModel(config).save_pretrained(path)
            bundled = find_model(DEFAULT_BI_ENCODER).path
            library.transformers.AutoTokenizer.from_pretrained(bundled).save_pretrained(path)
        return modules.Transformer(str(path), max_seq_length=64)

    def make(name, *, seed=0, pooling="cls", include_prompt=True, behind=(), prompts=None, change=None, router=False):
        path = root / name
        asking = (seed, pooling, include_prompt, prompts, router)
        assert asked.setdefault(name, asking) == asking, f"another test has made another model of the name {name!r}"
        if not path.exists():
            transformer = bert(seed)
            steps = [transformer, modules.Pooling(32, pooling, include_prompt=include_prompt), *behind]
            if router:
                other = [bert(seed + 1), modules.Pooling(32, "mean")]
                steps = [modules.Router.for_query_document(steps, other)]
            if change:
                change(transformer)
            library.SentenceTransformer(modules=steps, prompts=prompts, device="cpu").save_pretrained(str(path))
        return path

    return make


@pytest.fixture(scope="session")
def plain(library):
    """Loads a folder in plain sentence-transformers, in float32."""

    def load(path):
        settings = {"dtype": library.torch.float32}
        return library.SentenceTransformer(str(path), device="cpu", local_files_only=True, model_kwargs=settings)

    return load
