"""What can happen to a file, for tests: its damaged forms."""

import random

FLIPS = 12


def flipped(raw, at, bit):
    changed = bytearray(raw)
    changed[at] ^= 1 << bit
    return bytes(changed)


def damages(raw, seed, flips=FLIPS):
    """Yields the name and the bytes of each damaged form of a file; None for a deleted one."""
    chosen = random.Random(seed)
    yield "deleted", None
    if not raw:
        return
    yield "emptied", b""
    if len(raw) > 1:
        yield "half of it", raw[: len(raw) // 2]
        yield "all but one byte", raw[:-1]
    for at in (0, 20, len(raw) // 2, len(raw) - 1, *(chosen.randrange(len(raw)) for _ in range(flips))):
        if at < len(raw):
            yield f"a bit of byte {at}", flipped(raw, at, chosen.randrange(8))


def put(path, raw):
    if raw is None:
        path.unlink()
    else:
        path.write_bytes(raw)
