"""The table of `make bench`, in both of its forms."""

import importlib.util
import json
from pathlib import Path

import numpy as np

spec = importlib.util.spec_from_file_location("report", Path(__file__).with_name("report.py"))
report = importlib.util.module_from_spec(spec)
spec.loader.exec_module(report)


def test_rows_are_written_whichever_library_compared_them(tmp_path):
    values = np.array([1.0, 2.0])
    rows = [
        report.Row("told", "7 ms"),
        report.Row("reached", "1 s", "2x", values[0] < values[1]),
        report.Row("missed", "2 s", "1x", values[0] > values[1]),
    ]
    text = report.write(rows, tmp_path, 1)
    assert text.splitlines()[-3:] == [
        "| told | 7 ms |  |  |",
        "| reached | 1 s | 2x | ✓ |",
        "| missed | 2 s | 1x | ✗ |",
    ]
    assert text.partition("\n")[0].endswith("; ROUNDS=1")
    written = json.loads((tmp_path / "results.json").read_text())
    assert [row["reached"] for row in written["rows"]] == [None, True, False]
    assert written["rounds"] == 1
    assert [row.reached is False for row in rows] == [False, False, True]
