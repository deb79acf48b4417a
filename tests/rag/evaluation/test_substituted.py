"""What stands for an encoder in an evaluation is searched where the encoder would be."""

import pytest
from candidates_writer import WordEncoder
from lateral.rag.evaluation.substituted import SubstitutedTokenEncoder
from lateral.retrievers.device_tokens import accelerator


class OnAGpu(WordEncoder):
    device = "cuda:1"


@pytest.mark.parametrize(("encoder", "device"), [(OnAGpu(), "cuda:1"), (WordEncoder(), None)])
def test_its_vectors_are_searched_on_the_encoders_device(encoder, device):
    stand_in = SubstitutedTokenEncoder(encoder, "query", encode=encoder.encode_queries)
    assert (stand_in.device, accelerator(stand_in)) == (device, device)
    assert accelerator(encoder) == device
