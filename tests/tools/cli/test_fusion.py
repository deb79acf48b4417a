"""How rankings are fused, from the shell: an index is the same whatever it is searched with."""

import pytest
from command_line import as_json, run


@pytest.mark.parametrize(("arguments", "stage"), [((), "convex"), (("--fusion", "rrf"), "rrf")])
def test_the_last_stage_is_the_fusion_that_was_asked_for(shared, arguments, stage):
    (hit, *_) = as_json(shared, "search", "kettle litres", *arguments)["hits"]
    assert [step["stage"] for step in hit["trail"]] == ["bm25", "bi-encoder", stage]
    answer = as_json(shared, "ask", "How many litres does the kettle hold?", *arguments)
    assert answer["hits"][0]["trail"][-1]["stage"] == stage
    found = as_json(shared, "explain", "kettle litres", *arguments)
    assert [step["stage"] for step in found["path"]] == ["bm25", "bi-encoder", stage]


def test_fusion_can_stand_in_the_settings(indexed):
    with (indexed / "lateral.toml").open("a") as file:
        file.write('fusion = "rrf"\n')
    assert as_json(indexed, "search", "kettle litres")["hits"][0]["trail"][-1]["stage"] == "rrf"
    (hit, *_) = as_json(indexed, "search", "kettle litres", "--fusion", "convex")["hits"]
    assert hit["trail"][-1]["stage"] == "convex"


@pytest.mark.parametrize("command", ["search", "ask", "explain"])
def test_unknown_fusion_is_a_wrong_call(shared, command):
    ended = run(shared, command, "kettle", "--fusion", "magic")
    assert ended.returncode == 2
    assert "fusion must be one of convex, rrf, or a function, got 'magic'" in " ".join(ended.stderr.split())
