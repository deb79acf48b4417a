"""What is seen of the runtime from outside it."""

import pytest
from lateral.retrievers.models.openvino.runtime import OpenVINORuntime


@pytest.fixture
def compiled(monkeypatch):
    """The lengths that graphs are compiled for, one after another; None for all lengths."""
    lengths = []
    whole = OpenVINORuntime._compile

    def noted(self, length):
        lengths.append(length)
        return whole(self, length)

    monkeypatch.setattr(OpenVINORuntime, "_compile", noted)
    return lengths
