"""What a chat model is sent besides text."""

import base64

import openai_server as wire
from images import make_image
from lateral.llm import image_part, text_part


def test_a_picture_travels_in_the_request_itself(serve):
    png = make_image("png")
    server, client = serve(wire.whole("Red."))
    parts = [text_part("Which colour?"), image_part(png)]
    assert client.complete([{"role": "user", "content": parts}]) == "Red."
    sent = server.requests[0]["messages"][0]["content"]
    assert sent[0] == {"type": "text", "text": "Which colour?"}
    kind, _, content = sent[1]["image_url"]["url"].partition(",")
    assert (sent[1]["type"], kind) == ("image_url", "data:image/png;base64")
    assert base64.b64decode(content) == png
