"""Cures for broken combinations of third-party packages: each states the symptom, the versions and when it acts."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from functools import cache, partial
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from ...extras import require

if TYPE_CHECKING:
    from torch.library import Library
    from torch.nn import Module

__all__ = ["cure_forks", "cure_langchain", "cure_signatures", "cure_torchvision"]

MISSING_OPS = ("nms", "qnms")  # those whose schemas torchvision's Python code expects when it is imported
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

CHUNKED = "feed_forward_chunk"  # the method that a layer of BERT and its like hands to be called

_lock = Lock()


def cure_langchain() -> bool:
    """Returns whether langchain needed the cure; call it before anything imports ragatouille.

    Symptom: `import ragatouille` fails with "No module named 'langchain.retrievers'". Cause: langchain 1.x moved its
    retrievers to langchain-classic, and ragatouille 0.0.9.post2 still imports them from the old place.

    Cure: the old module names lead to the ones in langchain-classic, all of them or none. Calling it again does
    nothing.

    Raises:
        MissingExtraError: langchain-classic is not installed.
    """
    moved = ("retrievers", "retrievers.document_compressors", "retrievers.document_compressors.base")
    with _lock:
        if importlib.util.find_spec("langchain") is None or f"langchain.{moved[0]}" in sys.modules:
            return False
        if importlib.util.find_spec(f"langchain.{moved[0]}") is not None:
            return False
        found = {f"langchain.{name}": require(f"langchain_classic.{name}", extra="colbert") for name in moved}
        sys.modules.update(found)
        return True


def cure_torchvision() -> bool:
    """Returns whether the cure was applied now; call it before anything imports torchvision.

    Symptom: importing torchvision, and so transformers' image classes, sentence-transformers and colpali-engine, fails
    with "operator torchvision::nms does not exist". Cause: a CPU build of torch beside the CUDA wheel of torchvision,
    which pip pairs where the index offers only these: the wheel's C++ operators need CUDA libraries and do not load,
    and its Python code registers a fake kernel for an operator that was never defined. Seen with torch 2.13.0+cpu and
    torchvision 0.28.0.

    Cure: define the schemas of the missing operators. Nothing here calls them (they are part of object detection).
    It acts only when torch is a CPU build and torchvision, not yet imported, can't load its operators. Calling it again
    does nothing.
    """
    import torch

    with _lock:
        if torch.version.cuda is not None or torch.version.hip is not None or "torchvision" in sys.modules:
            return False
        if hasattr(torch.ops.torchvision, MISSING_OPS[0]) or _operators_load(torch):
            return False
        _define_operators()
        return True


@cache
def cure_forks() -> None:
    """Lets forked children compute; call it before this process computes with torch.

    Symptom: a child that was forked after its parent had used torch on the CPU waits for ever in its first product.
    Cause: the child waits for the threads of OpenMP's pool, which are its parent's. Seen with torch 2.13.0 (libgomp).

    Cure: a forked child computes with one thread, and so needs no pool.
    """
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


def cure_signatures(model: Module) -> int:
    """Lets a lone query take 0.2 of 6 ms less; returns how many kinds of layers it was for.

    Symptom: at every call of every layer transformers works out anew how many arguments one method of the layer takes.
    Seen with transformers 5.5 (`apply_chunking_to_forward`, of BERT and those that were made from it).

    Cure: the method says what its signature is, as PEP 362 has it.
    """
    methods = {method for module in model.modules() if (method := getattr(type(module), CHUNKED, None)) is not None}
    for method in methods:
        if not hasattr(method, "__signature__"):
            method.__signature__ = inspect.signature(method)
    return len(methods)


def _operators_load(torch: ModuleType) -> bool:
    """Tries what torchvision does first when it is imported; True also where there is no torchvision to cure."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    libraries = sorted(Path(spec.origin).parent.glob("_C*.so")) + sorted(Path(spec.origin).parent.glob("_C*.pyd"))
    try:
        for library in libraries:
            torch.ops.load_library(library)
    except OSError:
        return False
    return True


@cache  # the definitions live as long as the library object does
def _define_operators() -> Library:
    from torch.library import Library

    library = Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in MISSING_OPS:
        library.define(f"{name}{SCHEMA}")  # type: ignore[no-untyped-call]
    return library
