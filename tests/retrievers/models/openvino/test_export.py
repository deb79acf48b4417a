"""Exports are made once, whole or not at all, and anew when they are damaged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from full_disks import file_system, no_file_longer_than
from lateral.errors import ModelNotFoundError
from lateral.retrievers.models.folder import read_layout
from lateral.retrievers.models.openvino.export import (
    MANIFEST,
    MODEL,
    TOKENIZER,
    export_folder,
    export_transformer,
)

EXPORT = """
import sys
from pathlib import Path
from lateral.retrievers.models.openvino.export import export_transformer
from lateral.retrievers.models.folder import read_layout
print(export_transformer(read_layout(Path(sys.argv[1])).document[0]))
assert "torch" not in sys.modules
"""

INTERRUPTED = """
import logging, os, signal, sys, threading, time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from lateral.retrievers.models import load_bi_encoder
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
encoder = load_bi_encoder(sys.argv[1], device="cpu")
encoding = ThreadPoolExecutor(1).submit(encoder.encode_documents, ["a text"])
try:
    time.sleep(3)
    os.killpg(0, signal.SIGINT)  # as a terminal does, and Jupyter
    time.sleep(60)
except KeyboardInterrupt:
    print(type(encoding.exception(timeout=60)))
assert "torch" not in sys.modules
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def transformer_of(path):
    return read_layout(path).document[0]


@pytest.mark.slow
def test_processes_that_export_at_once_export_once_and_damage_is_made_anew(cache, tiny):
    path = tiny("cls")
    command = [sys.executable, "-c", EXPORT, str(path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    [folder, other] = [Path(process.communicate(timeout=240)[0].strip()) for process in processes]
    assert folder == other
    assert folder.is_relative_to(cache)
    assert {file.name for file in folder.iterdir()} == {MODEL, "model.bin", TOKENIZER, MANIFEST}
    assert not list(folder.parent.glob("*.tmp"))

    written = (folder / "model.bin").stat()
    assert export_transformer(transformer_of(path)) == folder
    assert (folder / "model.bin").stat() == written
    os.utime(folder / "model.bin", ns=(written.st_atime_ns, written.st_mtime_ns + 1))  # copied, not damaged
    assert export_transformer(transformer_of(path)) == folder
    assert (folder / "model.bin").stat().st_ino == written.st_ino

    with (folder / "model.bin").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    assert export_transformer(transformer_of(path)) == folder
    assert (folder / "model.bin").stat().st_ino != written.st_ino


def test_what_comes_behind_a_transformer_does_not_change_where_its_export_is(cache, library, tiny):
    behind = tiny("dense, a prompt", behind=[library.modules.Dense(32, 16)], prompts={"query": "question: "})
    folders = {export_folder(transformer_of(path), "feature-extraction") for path in (tiny("cls"), behind)}
    assert len(folders) == 1
    assert folders.pop().is_relative_to(cache)


@pytest.mark.parametrize("changed", ["model.safetensors", "config.json", "tokenizer.json", "sentence_bert_config.json"])
def test_a_model_that_changed_is_exported_elsewhere(cache, tiny, changed):
    folder = cache / "model"
    shutil.copytree(tiny("cls"), folder)
    before = export_folder(transformer_of(folder), "feature-extraction")
    assert before == export_folder(transformer_of(tiny("cls")), "feature-extraction")
    with (folder / changed).open("ab") as file:
        file.write(b" ")
    assert export_folder(transformer_of(folder), "feature-extraction") != before
    assert export_folder(transformer_of(folder), "sequence-classification") != before


@pytest.mark.slow
def test_a_refused_model_is_not_tried_again(cache, tiny):
    path = tiny("refused", seed=6)
    settings = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({**settings, "padding_side": "left"}))
    for _ in range(2):
        with pytest.raises(ModelNotFoundError, match="can't be exported to OpenVINO: its tokenizer pads or cuts on"):
            export_transformer(transformer_of(path))
        [refused] = (cache / "openvino").glob("*.refused")
        refused.touch()
    changed = refused.read_text().replace("its tokenizer", "as was said before, its tokenizer")
    refused.write_text(changed)
    with pytest.raises(ModelNotFoundError, match="as was said before"):
        export_transformer(transformer_of(path))
    assert not list((cache / "openvino").glob("*.tmp"))


def test_cache_that_can_not_be_written_is_reported(tmp_path, monkeypatch, tiny):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LATERAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelNotFoundError, match="can't keep the exported model"):
        export_transformer(transformer_of(tiny("cls")))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 40_000, 1_000_000])  # nothing, no tokenizer, no weights
def test_a_full_disk_is_no_reason_to_refuse_the_model_later(cache, tiny, limit):
    transformer = transformer_of(tiny("cls"))
    with no_file_longer_than(limit), pytest.raises(ModelNotFoundError, match=r"\S"):
        export_transformer(transformer)
    assert [path.suffix for path in (cache / "openvino").iterdir()] == [".lock"]
    assert (export_transformer(transformer) / MODEL).is_file()


@pytest.mark.slow
def test_a_disk_without_room_is_named(tmp_path, monkeypatch, tiny):
    with file_system(tmp_path / "disk", "2m") as disk:
        monkeypatch.setenv("LATERAL_CACHE", str(disk))
        with pytest.raises(ModelNotFoundError, match=rf"{disk}/openvino has \d+ kB left\)"):
            export_transformer(transformer_of(tiny("cls")))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C is sent to a group of processes, which Windows has not")
def test_ctrl_c_that_ends_an_export_in_a_thread_does_not_load_torch_in_its_place(cache, tiny):
    command = [sys.executable, "-c", INTERRUPTED, str(tiny("cls"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, start_new_session=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "CancelledError" in done.stdout
    assert "sentence-transformers encodes" not in done.stdout
    assert not list((cache / "openvino").glob("*.tmp"))
