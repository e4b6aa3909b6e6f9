"""Vectors without a model: a bag of words, each word hashed to a place and a sign, at unit length.

Texts that share words are near each other, equal texts are equal, in every process.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from math import sqrt
from zlib import crc32

DEFAULT_DIMENSIONS = 1536
_DIMENSIONS = {"text-embedding-3-large": 3072, "gemini-embedding-001": 3072, "gemini-embedding-2": 3072}
_WORD = re.compile(r"\w+")


def dimensions_of(model: str) -> int:
    return _DIMENSIONS.get(model, DEFAULT_DIMENSIONS)


def embedded(text: str, dimensions: int) -> list[float]:
    """A vector of length 1; a text without words points along the first axis."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.casefold()):
        code = crc32(word.encode())
        vector[code % dimensions] += 1.0 if code & 0x8000_0000 else -1.0
    length = sqrt(sum(value * value for value in vector))
    if not length:
        vector[0] = length = 1.0
    return [value / length if value else 0.0 for value in vector]


def packed(vector: list[float]) -> str:
    """As OpenAI packs it: little-endian 32-bit floats in base64."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
