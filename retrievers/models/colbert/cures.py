"""Cures for what RAGatouille 0.0.9.post2 and colbert-ai 0.2.22 do to today's libraries and to the program around them.

Each states the symptom, the cause and the versions; a test for each fails once it is no longer needed.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ....extras import require
from ..cures import cure_langchain, cure_torchvision

__all__ = ["cure_class_factory", "cure_encoding", "import_ragatouille", "nothing_compiled"]

EXTRA = "colbert"
FACTORY_USERS = (  # modules that took the function by name
    "colbert.modeling.hf_colbert",
    "colbert.modeling.base_colbert",
    "colbert.modeling.tokenization.doc_tokenization",
    "colbert.modeling.tokenization.query_tokenization",
)
FACTORY = "class_factory"
GIT = "GIT_PYTHON_REFRESH"
PARALLELISM = "TOKENIZERS_PARALLELISM"


def import_ragatouille() -> ModuleType:
    """Returns the module ragatouille, imported with its cures and without its effects on the program.

    Symptoms: the import fails for want of langchain.retrievers and, beside a CPU build of torch, of torchvision's
    operators (`cures`), and on a machine without git; it sets the start method of multiprocessing to "spawn" for the
    whole process and TOKENIZERS_PARALLELISM for every child, and warns of a release that was never made. Cause:
    module-level statements of colbert-ai 0.2.22, which imports GitPython, and of ragatouille 0.0.9.post2.

    Cure: the first two as `cures` says; GitPython is told not to mind; start method and environment are put back, the
    warning is not shown.

    Raises:
        MissingExtraError: It is not installed.
    """
    cure_torchvision()
    cure_langchain()
    method = multiprocessing.get_start_method(allow_none=True)
    before = {name: os.environ.get(name) for name in (PARALLELISM, GIT)}
    os.environ.setdefault(GIT, "quiet")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = require("ragatouille", extra=EXTRA)
    finally:
        multiprocessing.set_start_method(method, force=True)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    cure_class_factory()
    return module


def cure_class_factory() -> bool:
    """Returns whether colbert-ai needed the cure; call it before a checkpoint is loaded.

    Symptom: loading a checkpoint fails with "'HF_ColBERT' object has no attribute 'all_tied_weights_keys'". Cause:
    transformers 5 sets it in `post_init()`, and colbert-ai 0.2.22 calls `init_weights()` only; its list
    `_keys_to_ignore_on_load_unexpected` also breaks transformers 5.23, and a set would break 5.5.

    Cure: the class that its factory makes has both, empty, in each module that took the factory by name.
    """
    factory: Any = getattr(require(FACTORY_USERS[0], extra=EXTRA), FACTORY)
    if getattr(factory, "__wrapped__", None) is not None:
        return False

    @functools.wraps(factory)
    def cured(name_or_path: str) -> Any:  # noqa: ANN401 (a class that colbert-ai makes on the spot)
        made = factory(name_or_path)
        made.all_tied_weights_keys = {}
        made._keys_to_ignore_on_load_unexpected = None
        return made

    for name in FACTORY_USERS:
        setattr(require(name, extra=EXTRA), FACTORY, cured)
    return True


@contextmanager
def nothing_compiled() -> Iterator[None]:
    """Keeps a checkpoint that is built inside from compiling what only a search in a PLAID index needs.

    Symptom: loading hangs for a minute and fails without g++ and ninja. Cause: colbert-ai 0.2.22 compiles its C++
    extensions in the constructor. Cure: they count as loaded while the checkpoint is built, and a later search compiles
    them.
    """
    colbert = require("colbert.modeling.colbert", extra=EXTRA).ColBERT
    if hasattr(colbert, "loaded_extensions"):
        yield
        return
    colbert.loaded_extensions = True
    try:
        yield
    finally:
        del colbert.loaded_extensions


def cure_encoding(checkpoint: Any) -> None:  # noqa: ANN401 (colbert-ai's Checkpoint, which has no types)
    """Makes a loaded checkpoint compute where and in what it is told to; colbert-ai 0.2.22.

    Symptoms and causes: a checkpoint with `mask_punctuation` off can't encode documents, for its list of filtered
    tokens is never made; on a GPU it computes in float16 always and rounds documents' vectors to it, and on a CPU it
    never uses bfloat16. Cure: an empty list; its own switch for float16 off, as the caller sets the precision.
    """
    checkpoint.skiplist = getattr(checkpoint, "skiplist", {})
    checkpoint.amp_manager.activated = False
    checkpoint.use_gpu = False  # asked only for whether to round, once the checkpoint is built
