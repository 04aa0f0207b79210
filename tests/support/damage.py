"""Bytes that were damaged: cut, doubled, changed, moved, with what parsers stumble over put in."""

from hypothesis import strategies as st

STUMBLING = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\\ud800", b"nan", b"1e999", b"-0", b"9" * 400),
    *(b"[" * 40, b"{", b'"', b",", b"\n"),
)


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """`good` after one to four accidents."""
    data = good
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(start + draw(st.integers(0, 12)), len(data))
        match draw(st.sampled_from(["cut", "double", "change", "put in", "end", "move"])):
            case "cut":
                data = data[:start] + data[end:]
            case "double":
                data = data[:end] + data[start:]
            case "change":
                data = data[:start] + draw(st.binary(min_size=end - start, max_size=end - start)) + data[end:]
            case "put in":
                data = data[:start] + draw(st.sampled_from(STUMBLING)) + data[start:]
            case "end":
                data = data[:start]
            case "move":
                data = data[end:] + data[start:end] + data[:start]
    return data
