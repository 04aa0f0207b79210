"""Protocol Buffers by hand: fields as no proper writer would write them."""


def varint(value: int, length: int = 0) -> bytes:
    """`value` in as few bytes as it needs, or in `length` bytes."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value or len(out) + 1 < length else 0))
        if not value and len(out) >= length:
            return bytes(out)


def tag(number: int, wire: int, above: int = 0) -> bytes:
    """A field's tag; `above` puts bits beyond 32, which a parser that keeps 32 does not see."""
    return varint((number << 3 | wire) + (above << 32))


def message(number: int, body: bytes, above: int = 0) -> bytes:
    return tag(number, 2, above) + varint(len(body)) + body
