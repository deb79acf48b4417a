"""Token ids in, named arrays out: a graph of OpenVINO with several requests in flight. Knows nothing of pooling."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ....extras import require
from .compiled_files import WITHOUT_WEIGHTS, CompiledFiles
from .token_batches import TokenBatch

if TYPE_CHECKING:
    from openvino import CompiledModel  # type: ignore[import-untyped]

__all__ = [
    "TELEMETRY",
    "OpenVINORuntime",
    "Outputs",
    "Precision",
    "load_openvino",
    "lone_streams",
    "precision_here",
    "stream_count",
]

Precision: TypeAlias = Literal["float32", "bfloat16"]
Outputs: TypeAlias = Mapping[str, NDArray[np.float32]]

HINTS: Mapping[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}
THREADS_A_STREAM = 4  # more of them gain little on batches of 2,000 tokens, fewer make a lone query slow
TELEMETRY = "openvino_telemetry"

_importing = Lock()
_alive: WeakSet[OpenVINORuntime] = WeakSet()


def load_openvino() -> ModuleType:
    """Returns the module openvino, imported without its telemetry.

    Importing openvino reports the import to an analytics service, unless the user has opted out; its own stub takes the
    reporter's place where that package is missing, so it is hidden while openvino is imported.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    with _importing:
        hide = TELEMETRY not in sys.modules
        if hide:
            sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # what Python reads as "can't be imported"
        try:
            return require("openvino", extra="openvino")
        finally:
            if hide:
                del sys.modules[TELEMETRY]


def precision_here(precision: Precision) -> Precision:
    """Returns what OpenVINO computes in when asked for a precision: float32 for bfloat16 on a CPU that has none.

    It says nothing of that itself.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    if precision == "float32" or "BF16" in load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return precision
    return "float32"


class OpenVINORuntime:
    """A compiled graph. Threads may share it, and a forked process compiles it anew when it first needs it.

    Args:
        model: The graph's .xml file.
        precision: What to compute in, as far as the CPU has it (`precision_here`); what comes out is float32.
        streams: How many batches are computed at a time, each by its share of the cores; None: `stream_count`.
        projection: A matrix, float32, shape (width, dim), that the graph's one output is multiplied with, inside and in
            the same precision; None for none.
        lone_lengths: A text of one of these lengths in tokens, padding included, that comes alone is computed by a
            graph of that shape, up to a fifth faster than by the one for all shapes; each graph holds a copy of the
            weights. It is compiled when first needed, of the file as it was read at first, which may be gone by then.
        manifest: A file beside the graph that changes with it or its weights: what is compiled for lone texts is kept
            there, and the first graph of another process is read from it (`CompiledFiles`), unless there is a
            projection. None: nothing is kept.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelNotFoundError: The file can't be read, takes other inputs than tokens or, without `lone_lengths`, can't
            be compiled.
    """

    def __init__(
        self,
        model: Path,
        *,
        precision: Precision,
        streams: int | None = None,
        projection: NDArray[np.float32] | None = None,
        lone_lengths: Sequence[int] = (),
        manifest: Path | None = None,
    ) -> None:
        streams = streams or stream_count()
        self._settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,  # several processes would all pin themselves to the same cores
        }
        self._file = model
        self._graph = self._readable(projection)
        self._files: CompiledFiles | None = None
        if manifest is not None and projection is None:
            self._files = CompiledFiles(model, manifest, self._settings, load_openvino())
        self._lone_lengths = frozenset(lone_lengths)
        self._in_flight = streams + 1  # one is being made while each stream computes one
        self._compiling = Lock()
        self._graphs: dict[int | None, _Compiled] = {} if lone_lengths else {None: self._compile(None)}
        _alive.add(self)

    def _readable(self, projection: NDArray[np.float32] | None) -> Any:  # noqa: ANN401 (no types)
        """Returns the file's graph, which takes token ids and nothing else."""
        with _one_error(self._file):
            graph = _read(load_openvino(), self._file, projection)
            names = [port.get_any_name() for port in graph.inputs]
        if unknown := set(names) - set(TokenBatch.INPUTS):
            listed = ", ".join(sorted(unknown))
            raise ModelNotFoundError(f"the graph {self._file} takes inputs that are not known: {listed}")
        return graph

    def _compile(self, lone_length: int | None) -> _Compiled:
        """Returns the graph for a lone text of some length, or for all batches."""
        names = [port.get_any_name() for port in self._graph.inputs]
        model = self._made() if lone_length is None else self._lone(lone_length, names)
        return _Compiled(lone_length, model, names, [port.get_any_name() for port in model.outputs])

    def _lone(self, length: int, names: Sequence[str]) -> CompiledModel:
        """Returns what is compiled for a lone text of some length, or was by another process."""
        is_first = not self._graphs  # who asks once waits half as long; any further one would map the weights again
        if self._files is not None and is_first and (kept := self._files.read(length)) is not None:
            return kept
        model = self._made({name: [1, length] for name in names})
        if self._files is not None:
            self._files.keep(length, model)
        return model

    def _made(self, shapes: Mapping[str, Sequence[int]] | None = None) -> CompiledModel:
        """Compiles the graph for inputs of these shapes, or of any."""
        with _one_error(self._file):
            graph = self._graph.clone()
            if shapes is None:
                return load_openvino().Core().compile_model(graph, "CPU", self._settings)
            graph.reshape(dict(shapes))
            return load_openvino().Core().compile_model(graph, "CPU", self._settings | WITHOUT_WEIGHTS)

    def _graph_for(self, batch: TokenBatch) -> _Compiled:
        texts, length = batch.inputs["input_ids"].shape
        lone_length = length if texts == 1 and length in self._lone_lengths else None
        if (graph := self._graphs.get(lone_length)) is not None:
            return graph
        with self._compiling:
            if lone_length not in self._graphs:
                self._graphs[lone_length] = self._compile(lone_length)
            return self._graphs[lone_length]

    def after_fork(self) -> None:
        """Leaves what was compiled to the parent process.

        The threads that compute did not come along: who asks a graph of the parent waits forever, and so does who ends
        one, at the process's end too.
        """
        for graph in self._graphs.values():
            _keep_for_good(graph.model)
            for request in graph.made:
                request.leave()
        self._compiling = Lock()
        self._graphs = {}

    def run(self, batches: Iterable[TokenBatch]) -> Generator[tuple[TokenBatch, Outputs], None, None]:
        """Yields each batch with what the graph makes of it, in order.

        The next batches are asked for while earlier ones are computed, so an iterable that tokenises as it goes does so
        ahead. The arrays are overwritten once the next pair is asked for.

        Raises:
            ModelNotFoundError: The graph can't be compiled.
        """
        pending: deque[tuple[_Compiled, _Request, TokenBatch]] = deque()
        try:
            for batch in batches:
                if len(pending) == self._in_flight:
                    yield pending[0][2], pending[0][1].finish()
                    _put_back(*pending.popleft())
                graph = self._graph_for(batch)
                request = graph.take()
                pending.append((graph, request, batch))
                request.start(batch)
            while pending:
                yield pending[0][2], pending[0][1].finish()
                _put_back(*pending.popleft())
        finally:
            for _, request, _ in pending:  # the caller gave up: what runs is ended before its memory goes
                request.cancel()


class _Request:
    """One computation at a time of a graph of any shape."""

    def __init__(self, graph: _Compiled) -> None:
        self._infer = graph.model.create_infer_request()
        self._is_left = False
        self._inputs = graph.inputs
        self._outputs = graph.outputs

    def start(self, batch: TokenBatch) -> None:
        self._infer.start_async({name: batch.inputs[name] for name in self._inputs}, share_inputs=True)

    def finish(self) -> Outputs:
        self._infer.wait()
        return {name: self._infer.get_output_tensor(at).data for at, name in enumerate(self._outputs)}

    def leave(self) -> None:
        """Leaves what it computes to the parent process: nobody here can wait for its end."""
        self._is_left = True
        _keep_for_good(self._infer)

    def cancel(self) -> None:
        if self._is_left:
            return
        self._infer.cancel()
        try:
            self._infer.wait()
        except RuntimeError:  # OpenVINO's word for cancelled
            return


class _LoneRequest(_Request):
    """One computation at a time of a graph of one shape: its arrays are made once, which saves a tenth of the time."""

    def __init__(self, graph: _Compiled, length: int) -> None:
        super().__init__(graph)
        tensor = load_openvino().Tensor
        self._arrays = {name: np.zeros((1, length), np.int64) for name in graph.inputs}
        for name, array in self._arrays.items():
            self._infer.set_tensor(name, tensor(array, shared_memory=True))
        self._results = {name: self._infer.get_output_tensor(at).data for at, name in enumerate(graph.outputs)}

    def start(self, batch: TokenBatch) -> None:
        for name, array in self._arrays.items():
            array[:] = batch.inputs[name]
        self._infer.infer(share_outputs=True)  # at once: nothing is to be done meanwhile

    def finish(self) -> Outputs:
        return self._results


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A graph ready to run, its requests that wait for work, and all that there are."""

    lone_length: int | None
    model: CompiledModel
    inputs: list[str]
    outputs: list[str]
    idle: list[_Request] = field(default_factory=list)
    made: WeakSet[_Request] = field(default_factory=WeakSet)

    def take(self) -> _Request:
        """Returns a request that nobody else uses."""
        try:
            return self.idle.pop()
        except IndexError:
            made = _Request(self) if self.lone_length is None else _LoneRequest(self, self.lone_length)
            self.made.add(made)
            return made


def _keep_for_good(of_openvino: object) -> None:
    """Sees to it that an object is never ended, not even when Python is."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(of_openvino))


def _after_fork() -> None:
    for runtime in _alive:
        runtime.after_fork()


def _put_back(graph: _Compiled, request: _Request, _batch: TokenBatch) -> None:
    graph.idle.append(request)


@contextmanager
def _one_error(file: Path) -> Iterator[None]:
    """Turns what OpenVINO raises into one line.

    Raises:
        ModelNotFoundError: It fails on the file.
    """
    try:
        yield
    except RuntimeError as err:
        reason = str(err).strip().splitlines()[-1][:300]
        raise ModelNotFoundError(f"OpenVINO can't compile {file}: {reason}") from err


def _read(openvino: ModuleType, file: Path, projection: NDArray[np.float32] | None) -> Any:  # noqa: ANN401 (no types)
    """Returns a file's graph, its one output multiplied by a matrix if there is one."""
    graph = openvino.Core().read_model(file)
    if projection is None:
        return graph
    operators = require("openvino.opset13", extra="openvino")
    (result,) = graph.get_results()
    product = operators.matmul(result.input_value(0), operators.constant(projection), False, False)
    product.output(0).get_tensor().set_names({"projected"})
    return openvino.Model([operators.result(product)], graph.get_parameters())


def stream_count() -> int:
    """Returns how many of many batches are computed at a time: two, or more on a machine of more than eight cores."""
    return max(min(2, _cores()), lone_streams())


def lone_streams() -> int:
    """Returns how many streams serve batches that come one by one: one on a small machine, with all of its cores."""
    return max(1, _cores() // THREADS_A_STREAM)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
