"""Which providers the settings name, in the order in which they are asked. Loads no SDK."""

from __future__ import annotations

from actors.providers.addresses import OPENAI_URL, is_openai
from actors.resilience.target import Target
from serve_app.settings import Settings


def targets(settings: Settings) -> tuple[Target, ...]:
    """Who is asked, in this order."""
    found = {}
    if settings.openai_api_key is not None:
        found["openai"] = Target(
            provider="openai" if speaks_as_openai(settings) else "openai-compatible",
            model=settings.openai_model,
            experimental_model=settings.openai_experimental_model or "",
        )
    if settings.gemini_api_key is not None:
        found["gemini"] = Target(
            provider="google",
            model=settings.gemini_model,
            experimental_model=settings.gemini_experimental_model or "",
        )
    return tuple(found[name] for name in sorted(found, key=lambda name: name != settings.first_provider))


def speaks_as_openai(settings: Settings) -> bool:
    """As the dialect says; where it says nothing, only OpenAI's own address is OpenAI."""
    if settings.openai_dialect is not None:
        return settings.openai_dialect == "openai"
    return is_openai(settings.openai_base_url or OPENAI_URL)
