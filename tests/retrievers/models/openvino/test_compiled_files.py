"""What one process compiled for lone texts serves the next; whatever else lies there is not used."""

import numpy as np
import pytest
from lateral.retrievers.models.openvino import compiled_files
from lateral.retrievers.models.openvino.export import MANIFEST, write_manifest
from lateral.retrievers.models.openvino.runtime import OpenVINORuntime, load_openvino
from lateral.retrievers.models.openvino.token_batches import TokenBatch

openvino = load_openvino()
WIDTH = 4


@pytest.fixture
def folder(tmp_path):
    return exported(tmp_path, 1)


def exported(folder, seed):
    """A folder with a graph that looks each token up in a table, as an export is."""
    from openvino import opset13 as ops

    for file in folder.iterdir():
        file.unlink()
    table = np.random.default_rng(seed).standard_normal((64, 48)).astype(np.float32)
    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    rows = ops.gather(ops.constant(table), ids, ops.constant(np.int64(0)))
    square = ops.constant(table.T @ table)
    model = openvino.Model([ops.matmul(rows, square, False, False)], [ids])
    model.inputs[0].get_tensor().set_names({"input_ids"})
    model.outputs[0].get_tensor().set_names({"rows"})
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    write_manifest(folder)
    return folder


def runtime(folder, precision="float32"):
    return OpenVINORuntime(
        folder / "model.xml", precision=precision, lone_lengths=[WIDTH, WIDTH + 1], manifest=folder / MANIFEST
    )


def rows(it, ids=(3, 1, 4, 1)):
    ids = np.array([ids], np.int64)
    ((_, outputs),) = it.run([TokenBatch([0], [ids.size], {name: ids for name in TokenBatch.INPUTS})])
    return outputs["rows"].copy()


def kept(folder):
    return sorted(folder.glob("compiled-*"))


@pytest.fixture
def compiles(monkeypatch):
    """How often OpenVINO compiles."""
    times = []
    compile_model = openvino.Core.compile_model

    def noted(self, *arguments, **settings):
        times.append(arguments)
        return compile_model(self, *arguments, **settings)

    monkeypatch.setattr(openvino.Core, "compile_model", noted)
    return times


def test_what_was_compiled_once_is_read(folder, compiles):
    first = rows(runtime(folder))
    assert len(compiles) == len(kept(folder)) == 1
    np.testing.assert_array_equal(rows(runtime(folder)), first)
    assert len(compiles) == 1


def test_each_length_is_kept_and_the_first_of_a_process_read(folder, compiles):
    longer = (1, 2, 3, 4, 5)
    one, two = runtime(folder), runtime(folder)
    first = [rows(one), rows(one, longer)]
    assert len(compiles) == len(kept(folder)) == 2
    np.testing.assert_array_equal(rows(two, longer), first[1])
    assert len(compiles) == 2
    np.testing.assert_array_equal(rows(two), first[0])
    assert len(compiles) == 3


def test_what_holds_weights_is_not_kept(folder, compiles, monkeypatch):
    monkeypatch.setattr(compiled_files, "LARGEST", 100)
    first = rows(runtime(folder))
    np.testing.assert_array_equal(rows(runtime(folder)), first)
    assert len(compiles) == 2
    assert [len(file.read_bytes()) for file in kept(folder)] == [compiled_files.DIGEST_BYTES]


def test_its_weights_are_not_written_again(folder):
    rows(runtime(folder))
    (file,) = kept(folder)
    table = np.random.default_rng(1).standard_normal((64, 48)).astype(np.float32).tobytes()
    assert table in (folder / "model.bin").read_bytes()
    assert table not in file.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"",
        lambda body: body[:20],
        lambda body: body[:-1],
        lambda body: body[:200] + bytes([body[200] ^ 1]) + body[201:],
        lambda body: body + b"x",
        lambda body: b"x" * len(body),
    ],
    ids=["empty", "without its digest", "cut", "a bit", "longer", "of something else"],
)
def test_a_damaged_file_is_made_anew(folder, compiles, damage):
    first = rows(runtime(folder))
    (file,) = kept(folder)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    np.testing.assert_array_equal(rows(runtime(folder)), first)
    assert len(compiles) == 2
    assert kept(folder) == [file]
    np.testing.assert_array_equal(rows(runtime(folder)), first)
    assert len(compiles) == 2


def test_each_precision_has_its_own(folder, compiles):
    first = {precision: rows(runtime(folder, precision)) for precision in ("float32", "bfloat16")}
    assert len(kept(folder)) == 2
    for precision in ("bfloat16", "float32"):
        np.testing.assert_array_equal(rows(runtime(folder, precision)), first[precision])
    assert len(compiles) == 2


@pytest.mark.parametrize(
    ("what", "other"),
    [("cpu_flags", lambda: ["another"]), ("get_version", lambda: "another")],
    ids=["another CPU", "another OpenVINO"],
)
def test_another_machine_compiles_its_own(folder, compiles, monkeypatch, what, other):
    rows(runtime(folder))
    monkeypatch.setattr(openvino if what == "get_version" else compiled_files, what, other)
    rows(runtime(folder))
    assert len(compiles) == len(kept(folder)) == 2


def test_another_export_in_the_same_folder_is_compiled(folder, compiles):
    opened_before = runtime(folder)
    first = rows(runtime(folder))
    (file,) = kept(folder)
    body = file.read_bytes()
    exported(folder, 2)
    file.write_bytes(body)  # as one that comes late would write it
    second = rows(runtime(folder))
    assert np.abs(second - first).max() > 1
    np.testing.assert_array_equal(rows(runtime(folder)), second)
    np.testing.assert_array_equal(rows(opened_before), first)
    assert len(compiles) == 3


def test_a_folder_that_can_not_be_written_keeps_nothing(folder, compiles):
    first = rows(runtime(folder))
    (file,) = kept(folder)
    file.unlink()
    file.mkdir()
    for _ in range(2):
        np.testing.assert_array_equal(rows(runtime(folder)), first)
    assert len(compiles) == 3
    assert {path.name for path in folder.iterdir()} == {"model.xml", "model.bin", MANIFEST, file.name}


def test_what_computes_other_numbers_when_it_is_read_back_is_not_kept(folder, compiles, monkeypatch, tmp_path_factory):
    other = exported(tmp_path_factory.mktemp("other"), 2)
    wrong = openvino.Core().compile_model(other / "model.xml", "CPU")
    import_model = openvino.Core.import_model
    monkeypatch.setattr(openvino.Core, "import_model", lambda *_: wrong)
    first = rows(runtime(folder))
    monkeypatch.setattr(openvino.Core, "import_model", import_model)
    assert np.abs(first - wrong([np.array([[3, 1, 4, 1]])])[0]).max() > 1
    for _ in range(2):
        np.testing.assert_array_equal(rows(runtime(folder)), first)
    assert [len(file.read_bytes()) for file in kept(folder)] == [compiled_files.DIGEST_BYTES]


def test_weights_that_are_gone_are_not_read(folder):
    first = rows(runtime(folder))
    late = runtime(folder)
    for name in ("model.bin", "model.xml", MANIFEST):
        (folder / name).unlink()
    np.testing.assert_array_equal(rows(late), first)
