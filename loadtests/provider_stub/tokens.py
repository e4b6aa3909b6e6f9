"""Token counts without a tokenizer: one token per 4.4 bytes of UTF-8, for prompts and completions alike.

4.4 is about what English prose and JSON come to with the providers' tokenizers. It is an estimate: compare
counts of the stub with counts of the stub.
"""

from __future__ import annotations

_TENTHS = 44
"""Tenths of a byte per token: whole numbers, so that a count never hangs on rounding."""


def tokens_of(size: int) -> int:
    """Tokens of a text of `size` bytes, a begun one counted whole."""
    return -(-size * 10 // _TENTHS)


def bytes_of(tokens: int) -> int:
    """The least size that holds so many whole tokens: `bytes_of(n) <= size` implies `n <= tokens_of(size)`."""
    return -(-tokens * _TENTHS // 10)


def most_bytes_of(tokens: int) -> int:
    """The greatest size that comes to no more than so many tokens, a begun one among them."""
    return tokens * _TENTHS // 10
