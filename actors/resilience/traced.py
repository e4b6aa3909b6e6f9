"""A span for every call that goes out to a provider, after OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

from opentelemetry.trace import SpanKind

from actors.providers.port import Call, Provider, ProviderError, Reply
from actors.resilience.target import Target
from state.tracing import span


class Traced:
    """Tells model, operation, tokens and the kind of a failure; nothing of what was asked or answered."""

    def __init__(self, inner: Provider, *, target: Target) -> None:
        self._inner = inner
        self._target = target

    async def call(self, call: Call) -> Reply:
        model = self._target.model_for(call)
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._target.provider,
            "gen_ai.request.model": model,
            "askwell.operation": call.operation,
            "askwell.prompt": call.prompt,
        }
        with span(f"chat {model}", SpanKind.CLIENT, attributes) as begun:
            try:
                reply = await self._inner.call(call)
            except ProviderError as error:
                begun.set_attribute("askwell.fault", error.fault)
                raise
            begun.set_attribute("gen_ai.response.model", reply.model)
            begun.set_attribute("gen_ai.usage.input_tokens", reply.usage.input_tokens)
            begun.set_attribute("gen_ai.usage.output_tokens", reply.usage.output_tokens)
            return reply

    async def aclose(self) -> None:
        await self._inner.aclose()
