"""What the tests of the chat client share."""

import time

from lateral.errors import (
    ChatModelError,
)
from lateral.llm import Deadlines, Retries

KEY = "sk-canary-0123456789abcdef"
MESSAGES = [{"role": "user", "content": "Hi"}]
UNHURRIED = Deadlines(connect=5.0, first_byte=10.0, between_chunks=10.0, whole=20.0)  # for what waits for none of them
SHORT = Deadlines(connect=1.0, first_byte=0.5, between_chunks=0.5, whole=2.0)
QUICK = Retries(first_wait=0.05, longest_wait=0.1)
BRIEF = Retries(first_wait=0.01, longest_wait=0.02, cool_down=0.05)  # for who waits until a cool-down is over
SLACK = 1.4  # seconds that a busy machine may add to a deadline; the next longer one is further off


def timed(call):
    began = time.monotonic()
    try:
        return call(), time.monotonic() - began
    except ChatModelError as err:
        return err, time.monotonic() - began
