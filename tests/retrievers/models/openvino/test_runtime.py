"""A graph made on the spot: several requests in flight, in order, alone or among threads, and given up halfway."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models.openvino.runtime import OpenVINORuntime, load_openvino, precision_here, stream_count
from lateral.retrievers.models.openvino.token_batches import TokenBatch

openvino = load_openvino()


@pytest.fixture(scope="module")
def doubling(tmp_path_factory):
    """A graph that gives twice each token's id."""
    from openvino import opset13 as ops

    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    doubled = ops.multiply(ops.convert(ids, "f32"), ops.constant(2.0, dtype=np.float32))
    return save(tmp_path_factory.mktemp("graph"), ids, doubled, "input_ids")


def save(folder, parameter, result, name):
    model = openvino.Model([result], [parameter])
    model.inputs[0].get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"doubled"})
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    return folder / "model.xml"


def batch(number, width=3, texts=2):
    ids = np.full((texts, width), number, np.int64)
    positions = list(range(number, number + texts))
    return TokenBatch(positions, [width] * texts, {name: ids for name in TokenBatch.INPUTS})


def test_batches_come_back_in_order_with_their_outputs(doubling):
    runtime = OpenVINORuntime(doubling, precision="float32")
    for _ in range(2):
        results = [
            (it.positions[0], out["doubled"].copy()) for it, out in runtime.run(batch(i, 1 + i) for i in range(20))
        ]
        assert [number for number, _ in results] == list(range(20))
        for number, doubled in results:
            np.testing.assert_array_equal(doubled, np.full((2, 1 + number), 2 * number, np.float32))


def test_batches_are_asked_for_while_others_are_computed(doubling):
    asked = []
    runtime = OpenVINORuntime(doubling, precision="float32")
    next(runtime.run(asked.append(number) or batch(number) for number in range(20)))
    assert len(asked) == stream_count() + 2


def test_a_projection_multiplies_what_comes_out(tmp_path):
    from openvino import opset13 as ops

    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    value = ops.unsqueeze(ops.convert(ids, "f32"), ops.constant(2))
    pairs = ops.concat([value, ops.multiply(value, ops.constant(10.0, dtype=np.float32))], axis=-1)  # (x, 10 x)
    file = save(tmp_path, ids, pairs, "input_ids")
    matrix = np.array([[1, 0, -1], [0, 1, 2]], np.float32)
    runtime = OpenVINORuntime(file, precision="float32", projection=matrix)
    for number in (3, 4):
        ((_, outputs),) = runtime.run([batch(number, width=2)])
        (projected,) = outputs.values()  # (x, 10 x, 19 x)
        np.testing.assert_array_equal(projected, np.broadcast_to(number * np.array([1, 10, 19]), (2, 2, 3)))


def test_no_batch_gives_nothing(doubling):
    assert list(OpenVINORuntime(doubling, precision="float32").run([])) == []


def test_giving_up_halfway_leaves_it_usable(doubling):
    runtime = OpenVINORuntime(doubling, precision="float32")

    def failing():
        yield batch(1)
        yield batch(2)
        raise KeyboardInterrupt("stopped")

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt, match="stopped"):
            for _ in runtime.run(failing()):
                pass
        results = runtime.run(batch(number) for number in range(20))
        next(results)
        results.close()
    assert len(list(runtime.run(batch(number) for number in range(20)))) == 20


def test_threads_share_it(doubling):
    runtime = OpenVINORuntime(doubling, precision="float32")
    wrong, threads = [], []

    def work(number):
        for _, outputs in runtime.run(batch(number, 1 + i % 7) for i in range(200)):
            if not (outputs["doubled"] == 2 * number).all():
                wrong.append(number)

    for number in range(6):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_lone_texts_of_the_named_lengths_and_all_others_come_back_in_order(doubling):
    runtime = OpenVINORuntime(doubling, precision="float32", lone_lengths=(2, 4))
    shapes = [(1, 4), (1, 4), (2, 4), (1, 5), (1, 2), (3, 1), (1, 4), (1, 1)] * 3
    results = runtime.run(batch(number, width, texts) for number, (texts, width) in enumerate(shapes))
    for number, ((texts, width), (it, outputs)) in enumerate(zip(shapes, results, strict=True)):
        assert it.positions[0] == number
        np.testing.assert_array_equal(outputs["doubled"], np.full((texts, width), 2 * number, np.float32))


def test_a_graph_is_compiled_for_each_lone_length_when_it_is_needed(doubling, compiled):
    runtime = OpenVINORuntime(doubling, precision="float32", lone_lengths=(2, 4))
    assert compiled == []
    for it, outputs in runtime.run([batch(7, width, 1) for width in (2, 4, 2, 5, 3, 4)]):
        np.testing.assert_array_equal(outputs["doubled"], np.full((1, it.lengths[0]), 14, np.float32))
    assert compiled == [2, 4, None]


def test_threads_share_the_graph_of_lone_texts(doubling):
    runtime = OpenVINORuntime(doubling, precision="float32", lone_lengths=[4])

    def right(number):
        runs = runtime.run(batch(number, 4 + i % 2, 1) for i in range(200))
        return all((outputs["doubled"] == 2 * number).all() for _, outputs in runs)

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(right, range(12)))


def test_graph_with_other_inputs_is_refused(tmp_path):
    from openvino import opset13 as ops

    pixels = ops.parameter([-1, -1], np.float32, name="pixels")
    path = save(tmp_path, pixels, ops.relu(pixels), "pixel_values")
    with pytest.raises(ModelNotFoundError, match="takes inputs that are not known: pixel_values"):
        OpenVINORuntime(path, precision="float32")


def test_damaged_graph_is_reported(tmp_path):
    (tmp_path / "model.xml").write_text("<net")
    with pytest.raises(ModelNotFoundError, match=r"OpenVINO can't compile .*model\.xml"):
        OpenVINORuntime(tmp_path / "model.xml", precision="float32")


def test_importing_openvino_reports_nothing_and_hides_nothing_afterwards():
    code = """
import sys
from lateral.retrievers.models.openvino.runtime import load_openvino
load_openvino()
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
assert sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__ == "openvino.tools.ovc.telemetry_stub"
import openvino_telemetry
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_graph_is_compiled_of_the_file_that_was_read_at_first(tmp_path):
    from openvino import opset13 as ops

    for factor in (2.0, 3.0):
        ids = ops.parameter([-1, -1], np.int64, name="input_ids")
        file = save(tmp_path, ids, ops.multiply(ops.convert(ids, "f32"), ops.constant(np.float32(factor))), "input_ids")
        if factor == 2:
            runtime = OpenVINORuntime(file, precision="float32", lone_lengths=[4])
            file.unlink()
            file.with_suffix(".bin").unlink()
    for shape in ((1, 4), (2, 4)):
        ((_, outputs),) = runtime.run([batch(5, shape[1], shape[0])])
        np.testing.assert_array_equal(outputs["doubled"], np.full(shape, 10, np.float32))


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_the_precision_that_a_cpu_computes_in_is_told(doubling, asked):
    hint = {"float32": "f32", "bfloat16": "bf16"}[asked]
    model = openvino.Core().compile_model(doubling, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    used = model.get_property("INFERENCE_PRECISION_HINT")
    assert used == {"float32": openvino.Type.f32, "bfloat16": openvino.Type.bf16}[precision_here(asked)]


@pytest.mark.parametrize("lone_lengths", [(), (3,)])
@pytest.mark.parametrize("child", ["pass", "assert results() == before", "held = None; assert results() == before"])
def test_a_forked_child_computes_and_ends(doubling, lone_lengths, child):
    code = f"""
import os, sys
from pathlib import Path
import numpy as np
from lateral.retrievers.models.openvino.runtime import OpenVINORuntime
from lateral.retrievers.models.openvino.token_batches import TokenBatch

def batch(texts):
    ids = np.full((texts, 3), 7, np.int64)
    return TokenBatch([*range(texts)], [3] * texts, {{name: ids for name in TokenBatch.INPUTS}})

def results():
    return [out["doubled"].tolist() for _, out in runtime.run(map(batch, (2, 1, 2)))]

runtime = OpenVINORuntime(Path({str(doubling)!r}), precision="float32", lone_lengths={lone_lengths})
before = results()
held = runtime.run([batch(2), batch(1)])
next(held)  # computes while the process forks
child = os.fork()
if child == 0:
    {child}
    sys.exit(7)  # not os._exit: everything is ended
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert results() == before == [[[14.0] * 3] * 2, [[14.0] * 3], [[14.0] * 3] * 2]
sys.exit(code)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 7
