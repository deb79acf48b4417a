"""Cures for what RAGatouille 0.0.9.post2 and colbert-ai 0.2.22 do to today's libraries and to the program around them.

Each states the symptom, the cause and the versions; a test for each fails once it is no longer needed.
"""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from ....extras import require
from ..cures import cure_langchain, cure_torchvision
from ..sentence_transformer import one_at_a_time

__all__ = [
    "cure_class_factory",
    "cure_encoding",
    "import_ragatouille",
    "loading_on",
    "nothing_compiled",
    "opening_indexes",
]

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
BARRED = ("colbert.search.index_loader", "colbert.indexing.codecs.residual_embeddings")  # that draw progress bars

logger = logging.getLogger(__name__)


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


@contextmanager
def loading_on(device: str) -> Iterator[None]:
    """Has a checkpoint that is built inside put where it is to compute; one thread at a time.

    Symptom: on a machine with a GPU every checkpoint is put on its first one, whatever was asked for, and fails where
    that one is full. Cause: a device that colbert-ai 0.2.22 chooses when it is imported. Cure: the other one, for so
    long.
    """
    import torch

    with _set(require("colbert.modeling.base_colbert", extra=EXTRA), "DEVICE", torch.device(device)):
        yield


def cure_encoding(checkpoint: Any) -> None:  # noqa: ANN401 (colbert-ai's Checkpoint, which has no types)
    """Makes a loaded checkpoint compute where and in what it is told to; colbert-ai 0.2.22.

    Symptoms and causes: a checkpoint with `mask_punctuation` off can't encode documents, for its list of filtered
    tokens is never made; on a GPU it computes in float16 always and rounds documents' vectors to it, and on a CPU it
    never uses bfloat16. Cure: an empty list; its own switch for float16 off, as the caller sets the precision.
    """
    checkpoint.skiplist = getattr(checkpoint, "skiplist", {})
    checkpoint.amp_manager.activated = False
    checkpoint.use_gpu = False  # asked only for whether to round, once the checkpoint is built


@contextmanager
def opening_indexes() -> Iterator[None]:
    """Lets a PLAID index be opened inside without a word, and for the CPU; one thread at a time.

    Symptoms: opening one prints a dozen lines to stdout, where they break whatever is read from there, and draws
    progress bars; on a machine with a GPU it compiles with nvcc and keeps everything there. Causes: `print_message`
    and tqdm, neither with a switch, and a class attribute that is read wherever a GPU may be used. Cure: in the modules
    that do it printing is logging, a bar is nothing, and no GPU is counted; all is put back.
    """
    with one_at_a_time, ExitStack() as stack:
        printing = require("colbert.utils.utils", extra=EXTRA)
        stack.enter_context(_set(printing, "print", _log))
        for name in BARRED:
            stack.enter_context(_set(require(name, extra=EXTRA), "tqdm", SimpleNamespace(tqdm=iter)))
        settings = require("colbert.infra.config.settings", extra=EXTRA).RunSettings
        stack.enter_context(_set(settings, "total_visible_gpus", 0))
        yield


@contextmanager
def _set(place: object, name: str, value: object) -> Iterator[None]:
    had, before = name in vars(place), vars(place).get(name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before) if had else delattr(place, name)


def _log(*words: object, **_: object) -> None:
    logger.debug("colbert-ai: %s", " ".join(map(str, words)))
