"""Search on an accelerator, on one that is acted: every tensor's place is watched, and its values are the CPU's.

torch's device "meta" has no memory. Here a tensor on it keeps its values beside it, so that all is computed, and an
operation fails that would fail on a GPU, as it has operands in both places, or reads values without fetching them.
"""

import numpy as np
import pytest
import torch
from colbert_checkpoints import tiny_checkpoint
from lateral import RAG
from lateral.retrievers.colbert import ColBERTRetriever
from lateral.retrievers.device_tokens import DeviceTokens
from lateral.retrievers.maxsim import MaxSimSearch, TokenSegment
from lateral.retrievers.models.colbert import load_colbert
from lateral.retrievers.store.formats import FORMATS, pack, view_packed
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = "meta"
DIM = 16
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Misplaced(Exception):
    """None of the errors after which the CPU takes over."""


class Placed(torch.Tensor):
    """A tensor that says it is on the device."""

    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), dtype=values.dtype, device=DEVICE
        )

    def __init__(self, values):
        self.values_there = values

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise Misplaced(f"{func} outside of the device")


class ActedDevice(TorchDispatchMode):
    """Computes what is asked of the device on the CPU; counts the bytes that are brought there and fetched."""

    def __init__(self):
        super().__init__()
        self.brought, self.fetched = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        with self:  # what is made of other operations, without gradients comes here whole
            if (made := func.decompose(*args, **kwargs)) is not NotImplemented:
                return made
        tensors = [it for it in tree_flatten((args, kwargs))[0] if isinstance(it, torch.Tensor)]
        there = [it for it in tensors if isinstance(it, Placed)]
        if func not in COPIES and there and any(not isinstance(it, Placed) and it.dim() for it in tensors):
            raise Misplaced(f"{func} has operands on the CPU and on the device")
        named = kwargs.get("device")
        goes_there = bool(there) if named is None else torch.device(named).type == DEVICE
        if named is not None:
            kwargs["device"] = "cpu"
        with torch.inference_mode(False):  # a tensor that holds another can't be made inside
            values = func(*tree_map(_values, args), **tree_map(_values, kwargs))
            if func is COPIES[0] and goes_there != bool(there):
                (self.brought if goes_there else self.fetched).append(values.nbytes)
            return tree_map(_placed, values) if goes_there else values


def _placed(value):
    return Placed(value) if isinstance(value, torch.Tensor) else value


def _values(value):
    return value.values_there if isinstance(value, Placed) else value


def segment_of(counts, form, seed):
    rows = np.random.default_rng(seed).standard_normal((sum(counts), DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    counts = np.array(counts, np.int64)
    stored = view_packed(pack(rows, form), len(rows), DIM, form)
    texts = np.arange(len(counts))
    return TokenSegment(stored, np.cumsum(counts) - counts, counts, np.arange(len(counts) + 1), texts, f"{seed}.npy")


def query_of(tokens, seed=9):
    rows = np.random.default_rng(seed).standard_normal((tokens, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def found(search, query):
    positions, scores = search.search(query, 5)
    return list(zip(positions.tolist(), scores.tolist(), strict=True))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("tokens", [1, 32, 300])
def test_no_tensor_of_the_cpu_meets_one_of_the_device_and_hits_are_the_same(form, tokens, caplog):
    segment = segment_of([3, 1, 40, 0, 7, 20, 11, 300], form, 1)
    tokens_there = DeviceTokens(lambda: DEVICE)
    query = query_of(tokens)
    with ActedDevice() as device:
        search = MaxSimSearch([segment], 8, device=tokens_there)
        hits = found(search, query)
        moved = len(device.brought)
        again = found(search, query)
    assert search.cpu_tokens(search.texts()) == 0, "it gave up"
    assert caplog.records == []
    assert hits == again == found(MaxSimSearch([segment], 8), query)
    runs = -(-tokens // 128)
    assert device.brought[moved:] == [2 * DIM * min(128, tokens - 128 * run) for run in range(runs)], "the query alone"
    assert device.fetched == 2 * [7 * 4], "a score a text"


def test_what_is_let_go_of_is_brought_again_by_the_next_search():
    segment = segment_of([3, 1, 40], "int8", 2)
    tokens_there = DeviceTokens(lambda: DEVICE)
    with ActedDevice():
        first = MaxSimSearch([segment], 3, device=tokens_there)
        hits = found(first, query_of(4))
        held = tokens_there.bytes
        tokens_there.let_go()
        assert (held > 0, tokens_there.bytes) == (True, 0)
        assert found(first, query_of(4)) == hits, "a search that goes on keeps what it has"
        assert found(MaxSimSearch([segment], 3, device=tokens_there), query_of(4)) == hits
        assert tokens_there.bytes == held


class OnDevice(ColBERTRetriever):
    """Searches on torch's "cpu" as on a GPU."""

    def __init__(self, encoder):
        super().__init__(encoder=encoder)
        self._on_device = DeviceTokens(lambda: "cpu")


def test_a_pipeline_that_is_closed_leaves_nothing_on_the_device_and_searches_again(tmp_path):
    retriever = OnDevice(load_colbert(str(tiny_checkpoint(tmp_path / "tiny")), dtype="float32", offline=True))
    rag = RAG(tmp_path / "index", retrievers=(retriever,))
    rag.add([{"id": str(number), "text": f"Snake {number}."} for number in range(3)])
    hits = [(hit.node.source, hit.score) for hit in rag.retrieve("snake")]
    held = retriever._on_device.bytes
    rag.close()
    assert (held > 0, retriever._on_device.bytes) == (True, 0)
    assert [(hit.node.source, hit.score) for hit in rag.retrieve("snake")] == hits
    assert retriever._on_device.bytes == held


def test_what_is_acted_tells_a_tensor_in_the_wrong_place():
    here = torch.ones(3)
    with ActedDevice():
        there = here.to(DEVICE)
        assert (there.device.type, (there + there).cpu().tolist()) == (DEVICE, [2, 2, 2])
        with pytest.raises(Misplaced, match="operands on the CPU and on the device"):
            there + here
        with pytest.raises((TypeError, RuntimeError), match=r"meta|numpy"):
            there.numpy()
