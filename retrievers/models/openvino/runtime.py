"""Token ids in, named arrays out: a graph of OpenVINO with several requests in flight. Knows nothing of pooling."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelNotFoundError
from ....extras import require
from .token_batches import TokenBatch

if TYPE_CHECKING:
    from openvino import InferRequest  # type: ignore[import-untyped]

__all__ = ["TELEMETRY", "OpenVINORuntime", "Outputs", "Precision", "load_openvino", "lone_streams", "stream_count"]

Precision: TypeAlias = Literal["float32", "bfloat16"]
Outputs: TypeAlias = Mapping[str, NDArray[np.float32]]

HINTS: Mapping[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}
THREADS_A_STREAM = 4  # more of them gain little on batches of 2,000 tokens, fewer make a lone query slow
TELEMETRY = "openvino_telemetry"

_importing = Lock()


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


class OpenVINORuntime:
    """A compiled graph. Threads may share it.

    Args:
        model: The graph's .xml file.
        precision: What to compute in; what comes out is float32.
        streams: How many batches are computed at a time, each by its share of the cores; None: `stream_count`.
        projection: A matrix, float32, shape (width, dim), that the graph's one output is multiplied with, inside and in
            the same precision; None for none.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelNotFoundError: The file can't be compiled, or takes other inputs than tokens.
    """

    def __init__(
        self,
        model: Path,
        *,
        precision: Precision,
        streams: int | None = None,
        projection: NDArray[np.float32] | None = None,
    ) -> None:
        openvino = load_openvino()
        streams = streams or stream_count()
        # No CACHE_DIR, which would save 0.1 s of a start: OpenVINO 2026.4.1 takes what it compiled in float32 for
        # bfloat16, too, and then gives wrong numbers; nor does it notice a damaged file.
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,  # several processes would all pin themselves to the same cores
        }
        try:
            graph = model if projection is None else _projected(openvino, model, projection)
            self._model = openvino.Core().compile_model(graph, "CPU", settings)
        except RuntimeError as err:
            reason = str(err).strip().splitlines()[-1][:300]
            raise ModelNotFoundError(f"OpenVINO can't compile {model}: {reason}") from err
        self._inputs = [port.get_any_name() for port in self._model.inputs]
        self._outputs = [port.get_any_name() for port in self._model.outputs]
        if unknown := set(self._inputs) - set(TokenBatch.INPUTS):
            raise ModelNotFoundError(f"the graph {model} takes inputs that are not known: {', '.join(sorted(unknown))}")
        self._in_flight = streams + 1  # one is being made while each stream computes one
        self._idle: list[InferRequest] = []

    def run(self, batches: Iterable[TokenBatch]) -> Generator[tuple[TokenBatch, Outputs], None, None]:
        """Yields each batch with what the graph makes of it, in order.

        The next batches are asked for while earlier ones are computed, so an iterable that tokenises as it goes does so
        ahead. The arrays are overwritten once the next pair is asked for.
        """
        pending: deque[tuple[InferRequest, TokenBatch]] = deque()
        try:
            for batch in batches:
                if len(pending) == self._in_flight:
                    yield self._finish(*pending[0])
                    self._idle.append(pending.popleft()[0])
                request = self._idle.pop() if self._idle else self._model.create_infer_request()
                pending.append((request, batch))
                request.start_async({name: batch.inputs[name] for name in self._inputs})
            while pending:
                yield self._finish(*pending[0])
                self._idle.append(pending.popleft()[0])
        finally:
            for request, _ in pending:  # the caller gave up: what runs is ended before its memory goes
                request.cancel()
                _wait_quietly(request)

    def _finish(self, request: InferRequest, batch: TokenBatch) -> tuple[TokenBatch, Outputs]:
        request.wait()
        return batch, {name: request.get_output_tensor(at).data for at, name in enumerate(self._outputs)}


def _projected(openvino: ModuleType, model: Path, projection: NDArray[np.float32]) -> Any:  # noqa: ANN401 (no types)
    """Returns a file's graph with its one output multiplied by a matrix."""
    operators = require("openvino.opset13", extra="openvino")
    graph = openvino.Core().read_model(model)
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


def _wait_quietly(request: InferRequest) -> None:
    try:
        request.wait()
    except RuntimeError:  # OpenVINO's word for cancelled
        return
