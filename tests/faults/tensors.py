"""Files of weights taken apart and put together by hand."""

import json
from typing import Any


def header_of(content: bytes) -> dict[str, Any]:
    """The header of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + size])
    return header


def with_header(content: bytes, header: dict[str, Any] | bytes) -> bytes:
    """The same numbers under another header."""
    size = int.from_bytes(content[:8], "little")
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]
