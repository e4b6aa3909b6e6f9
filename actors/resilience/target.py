"""Who is called, for the errors that a policy raises itself and for the records of calls given up."""

from __future__ import annotations

from dataclasses import dataclass

from actors.providers.port import Call, Fault, ProviderError


class NeverSent(ProviderError):
    """Of a call that did not go out, and so says nothing about the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A provider and its models, as genai-prices names them. `experimental_model` '' is the usual one."""

    provider: str
    model: str
    experimental_model: str = ""

    def model_for(self, call: Call) -> str:
        if call.variant == "experimental":
            return self.experimental_model or self.model
        return self.model

    def error(
        self,
        call: Call,
        fault: Fault,
        *,
        retry_after_s: float | None = None,
        kind: type[ProviderError] = ProviderError,
    ) -> ProviderError:
        return kind(fault, provider=self.provider, model=self.model_for(call), retry_after_s=retry_after_s)


ANYONE = Target(provider="any", model="any")
"""Named by the policies that stand over all providers."""
