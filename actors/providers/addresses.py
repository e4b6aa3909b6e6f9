"""Where the providers are, for those who must know it without loading an SDK."""

from __future__ import annotations

from urllib.parse import urlsplit

OPENAI_URL = "https://api.openai.com/v1"
GEMINI_URL = "https://generativelanguage.googleapis.com"

_OPENAI_HOST = "api.openai.com"


def is_openai(url: str) -> bool:
    """Whether this is OpenAI itself, in one of its regions too (eu.api.openai.com)."""
    host = urlsplit(url).hostname or ""
    return host == _OPENAI_HOST or host.endswith(f".{_OPENAI_HOST}")
