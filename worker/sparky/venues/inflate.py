"""Compressed answers, opened without ever holding more than a limit."""

import zlib
from typing import Final

ACCEPT_ENCODING: Final = "gzip, deflate"
_WINDOW_BITS: Final = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class Unreadable(ValueError):  # noqa: N818 - says what the content is
    """The content is damaged, cut, too long, or in an encoding that was not asked for."""


def inflate(content: bytes, encoding: str, limit: int) -> bytes:
    """Return the content of an answer by its Content-Encoding, of at most `limit` bytes.

    Raises:
        Unreadable: it cannot be opened, or is longer; a small answer may unfold to a thousandfold.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"} or not content:
        return content
    if name not in _WINDOW_BITS:
        raise Unreadable("its encoding is unknown")
    stream = zlib.decompressobj(_WINDOW_BITS[name])
    damaged = False
    try:
        opened = stream.decompress(content, limit + 1)
    except zlib.error:
        opened, damaged = b"", True
    if damaged or len(opened) > limit or not stream.eof:
        raise Unreadable("it is damaged, cut or too long")
    return opened
