"""The light runtime: a model exported once, then served by openvino and tokenizers alone."""
