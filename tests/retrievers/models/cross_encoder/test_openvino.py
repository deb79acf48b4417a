"""How passages share batches, so that no core of a small machine waits long and few shapes are prepared."""

import pytest
from lateral.retrievers.models.batching import batches_by_length
from lateral.retrievers.models.cross_encoder.openvino import BATCH


def batches(passages, tokens=256):
    return [len(batch) for batch in batches_by_length([tokens] * passages, BATCH)]


@pytest.mark.parametrize("passages", range(1, 60))
def test_of_two_streams_none_works_longer_than_two_passages_behind_its_share(passages):
    streams = [0, 0]
    for size in batches(passages):
        streams[streams.index(min(streams))] += size
    assert max(streams) <= passages / 2 + 2


def test_queries_with_any_number_of_passages_share_few_shapes():
    assert len({size for passages in range(1, 60) for size in batches(passages)}) == 4
