"""`lateral estimate`, beside what `lateral add` then does."""

from command_line import as_json, run


def test_the_counts_are_those_of_the_index_that_is_made_then(home):
    found = as_json(home, "estimate", "docs")
    assert not (home / ".lateral").exists()
    assert run(home, "add", "docs").returncode == 0
    status = as_json(home, "status")
    assert found["files"] == found["files_read"] == status["documents"] == 2
    for name in ("chunks", "pages"):
        assert found[name]["low"] == found[name]["value"] == found[name]["high"] == status[name]
    assert found["vectors"]["bi-encoder"]["dim"] == 64
    assert set(found["vectors"]["bi-encoder"]["bytes"]) == {"float32", "float16", "int8", "binary"}
    assert found["seconds"]["value"] > 0


def test_json_has_whole_counts_where_every_file_was_read(home):
    (home / "docs" / "one.md").write_text("Bees make honey.".ljust(49, "."))  # 1 / 49 * 49 is below 1
    found = as_json(home, "estimate", "docs/one.md", "--no-encode")
    assert found["chunks"] == {"value": 1, "low": 1, "high": 1}


def test_a_person_sees_a_table_of_eighty_columns(home):
    done = run(home, "estimate", "docs")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(len(line.rstrip()) <= 80 for line in done.stdout.splitlines())
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "2 files, all of them read; 0 others are left out"
    assert "documents 2" in lines
    assert any(line.startswith("as float32") and line.endswith("← as this index stores them") for line in lines)
    assert any(line.startswith("time") for line in lines)


def test_a_sample_and_what_is_stored_can_be_chosen(home):
    for at in range(20):
        (home / "docs" / f"note-{at}.txt").write_text(f"Note number {at} is about kettles. " * (at + 1))
    found = as_json(home, "estimate", "docs", "--sample", 5, "--vectors", "int8", "--no-encode")
    assert found["files"] == 22
    assert 2 <= found["files_read"] <= 6
    assert found["vectors"]["bi-encoder"]["format"] == "int8"
    assert found["seconds"] is None
    told = run(home, "estimate", "docs", "--sample", 5, "--no-encode")
    assert "from a sample of" in told.stdout
    assert "encoding was not measured" in told.stderr


def test_failures_are_named_without_their_control_characters(home):
    (home / "docs" / "bad\x1b[31m.pdf").write_bytes(b"%PDF-1.7 nothing")
    done = run(home, "estimate", "docs")
    assert done.returncode == 1
    assert "failed" in done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr


def test_wrong_use_is_said(home):
    assert run(home, "estimate", "missing").returncode == 2
    (home / "empty").mkdir()
    failed = as_json(home, "estimate", "empty", code=2)
    assert "there is no file to read" in failed["error"]["message"]
    assert run(home, "estimate", "docs", "--vectors", "int4").returncode == 2
