"""Every setting, in one class: environment variables in, checked values out.

The README's table is generated from the fields. A bad value is refused at start with the variable's
name; secrets are `SecretStr` and never printed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from state.address import parse
from state.errors import InvalidField
from state.flags import DEFAULT_ROLLOUTS
from state.prices import read_overrides

_PLAIN = (
    "REDIS_URL",
    "QDRANT_URL",
    "QDRANT_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "GEMINI_API_KEY",
    "GEMINI_BASE_URL",
)
Percent = Annotated[float, Field(ge=0, le=100)]
Ttl = Annotated[float, Field(ge=60, le=10 * 365 * 86_400, allow_inf_nan=False)]
Replicas = Annotated[int, Field(ge=1, le=1000)]
LOCAL_TENANT = "local"
RESERVED_TENANTS = frozenset({"(service)", "askwell-judge"})
"""Under which the service accounts for its own work."""
MIN_KEY_LENGTH = 16


class Settings(BaseSettings):
    """Read from `ASKWELL_*`; the addresses and keys of other services under their usual names."""

    model_config = SettingsConfigDict(
        env_prefix="ASKWELL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        validate_default=True,
        env_ignore_empty=True,
    )

    host: str = Field("127.0.0.1", description="Address the HTTP API listens on; any but loopback needs API keys.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the HTTP API.")
    proxy: Literal["auto", "haproxy", "python"] = Field(
        "auto",
        description="What stands before the HTTP ingress: HAProxy, or Serve's own where it does not run.",
    )
    dashboard_port: int = Field(8265, ge=1, le=65535, description="Port of the Ray dashboard, always on loopback.")
    data_dir: Path = Field(Path(".askwell"), description="Where the embedded Valkey and vector store keep their files.")
    api_keys: Mapping[str, SecretStr] = Field(
        default_factory=dict,
        description='Tenants and their API keys as JSON: {"acme": "a key of 16 characters or more"}.',
    )

    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="A Redis or Valkey server, or more of them behind Sentinels or in a cluster; none starts the "
        "embedded one.",
    )
    durability: Literal["fast", "replicated", "strict"] = Field(
        "fast",
        description="What a write has reached when it is acknowledged: the server's memory, replicas' too, or disk.",
    )
    replicas: int = Field(
        0, ge=0, le=100, description="Replicas that have to confirm a write, in the modes replicated and strict."
    )
    qdrant_url: str | None = Field(
        None,
        validation_alias="QDRANT_URL",
        description="A Qdrant server; none uses the embedded vector store.",
    )
    qdrant_api_key: SecretStr | None = Field(
        None, validation_alias="QDRANT_API_KEY", description="Its API key, if it wants one."
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias="OPENAI_API_KEY",
        description="Switches the OpenAI provider on; without any provider's key the rules work offline.",
    )
    openai_base_url: str | None = Field(
        None, validation_alias="OPENAI_BASE_URL", description="Another server that speaks OpenAI's protocol."
    )
    openai_dialect: Literal["openai", "compatible"] | None = Field(
        None,
        description="Whether OPENAI_BASE_URL is a gateway to OpenAI itself; none goes by the address.",
    )
    openai_model: str = Field("gpt-5-mini", min_length=1, description="Model for every request to OpenAI.")
    openai_experimental_model: str | None = Field(
        None, description="Model for sessions with the flag experimental_llm_model; none is the usual one."
    )
    openai_reasoning_effort: str | None = Field(
        None, description="Reasoning effort to ask for; none is the least that the model offers."
    )
    gemini_api_key: SecretStr | None = Field(
        None, validation_alias="GEMINI_API_KEY", description="Switches the Gemini provider on."
    )
    gemini_base_url: str | None = Field(
        None, validation_alias="GEMINI_BASE_URL", description="Another server that speaks Gemini's protocol."
    )
    gemini_model: str = Field("gemini-2.5-flash-lite", min_length=1, description="Model for every request to Gemini.")
    gemini_thinking_tokens: int | None = Field(
        None, ge=0, description="Tokens Gemini may think with; none is what the model does by itself."
    )
    gemini_experimental_model: str | None = Field(
        None, description="Its model for sessions with the flag experimental_llm_model; none is the usual one."
    )
    first_provider: Literal["openai", "gemini"] = Field(
        "openai", description="Where both keys are set: who is asked first; the other one stands in."
    )
    embeddings: Literal["offline", "openai", "gemini"] = Field(
        "offline", description="Who turns texts into vectors; each one's vectors are kept apart."
    )
    embedding_model: str | None = Field(
        None, min_length=1, description="Model that openai or gemini is asked for vectors; none is its usual one."
    )
    embedding_dimension: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="Length of its vectors, on another server than OpenAI's the model's own; none is the usual one.",
    )
    prices: Path | None = Field(
        None, description="JSON file with prices that differ from those of genai-prices, or are missing there."
    )
    tenant_daily_tokens: int = Field(
        0, ge=0, description="Tokens a tenant may use in a UTC day, input and output together; 0 is no limit."
    )

    llm_deadline_s: float = Field(
        28, gt=0, le=600, description="Seconds one completion may take, all attempts and providers together."
    )
    llm_attempt_s: float = Field(12, gt=0, le=600, description="Seconds one attempt at one provider may take.")
    llm_attempts: int = Field(3, ge=1, le=10, description="Attempts at one provider before the next one is asked.")
    llm_concurrency: int = Field(
        256, ge=1, le=10_000, description="Most calls one replica has open at one provider; a 429 halves it."
    )
    llm_hedge_share: float = Field(
        0.05, ge=0, le=1, description="Share of calls that may be made twice because the first one is late."
    )

    lease_s: float = Field(
        3.0, ge=1, le=60, description="Seconds after which a session may be taken over from an owner that went silent."
    )
    outage_journal: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether commits go into a journal in ASKWELL_DATA_DIR while Redis is away; auto: with the "
        "embedded Valkey. On only where no other machine uses this Redis.",
    )
    session_ttl_s: Ttl = Field(30 * 86_400, description="Seconds a session lives after its last change.")
    plan_ttl_s: Ttl = Field(180 * 86_400, description="Seconds a learning plan lives after its last change.")
    key_ttl_s: Ttl = Field(86_400, description="Seconds an Idempotency-Key outside sessions is remembered.")
    step_deadline_s: float = Field(60, gt=0, le=600, description="Seconds one step's work may take.")
    question_deadline_s: float = Field(
        20,
        gt=0,
        le=600,
        description="Seconds one question of a batch may take; the others do not wait longer.",
    )
    max_in_flight: int = Field(
        500, ge=1, description="Requests one ingress replica works on at once; more get 503 with Retry-After."
    )
    max_body_bytes: int = Field(512 * 1024, ge=1024, description="Largest request body.")

    session_actors: int = Field(2, ge=1, le=256, description="Session-state actors the sessions are spread over.")
    ingress_replicas: Replicas = Field(1, description="Replicas of the HTTP ingress.")
    generator_min: Replicas = Field(1, description="Fewest generator replicas.")
    generator_max: Replicas = Field(
        4,
        description="Most generator replicas; not set, `askwell up` has no more than half as many as there are cores.",
    )
    generator_concurrency: int = Field(64, ge=1, description="Requests one generator replica works on at once.")
    evaluator_min: Replicas = Field(1, description="Fewest evaluator replicas.")
    evaluator_max: Replicas = Field(
        4,
        description="Most evaluator replicas; not set, `askwell up` has no more than half as many as there are cores.",
    )
    evaluator_concurrency: int = Field(64, ge=1, description="Requests one evaluator replica works on at once.")
    retriever_min: Replicas = Field(1, description="Fewest retriever replicas, before a Qdrant server.")
    retriever_max: Replicas = Field(
        2, description="Most retriever replicas, before a Qdrant server; the embedded store has one, its owner."
    )
    retriever_concurrency: int = Field(64, ge=1, description="Requests one retriever replica works on at once.")

    recording: Literal["on", "off"] = Field(
        "on", description="Whether metrics are recorded; off to measure what that costs."
    )
    health_every_s: float = Field(
        5, ge=1, le=60, description="Seconds between two looks at the health of Redis, the pools and the vector store."
    )
    operators: tuple[str, ...] = Field(
        (),
        description="Tenants who see in the metrics what the others and their sessions cost, and who see and silence "
        "alerts, as JSON; without API keys everybody does.",
    )
    alerts: Path | None = Field(
        None, description="TOML file whose fields go over those of the alert rules (state/alerts/rules.toml)."
    )
    alert_channels: Mapping[str, SecretStr] = Field(
        default_factory=dict,
        description='Who is told of alerts beside the console, names and apprise\'s addresses as JSON: {"ops": '
        '"mailtos://...", "slack": "https://hooks.slack.com/services/...", "hook": "jsons://..."}.',
    )
    otlp_endpoint: str | None = Field(
        None,
        description="Collector that takes traces by OTLP over HTTP, as http://host:4318; none records no traces.",
    )
    alerts_every_s: float = Field(15, ge=1, le=60, description="Seconds between two evaluations of the alerts.")

    rollouts: Mapping[str, Percent] = Field(
        default_factory=dict,
        description='Flags that differ from their defaults, in percent, as JSON: {"advanced_quality_evaluation": 0}.',
    )

    @field_validator("api_keys")
    @classmethod
    def _keys_are_long_enough(cls, keys: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for tenant, key in keys.items():
            if not tenant.strip():
                raise ValueError("a tenant needs a name")
            if tenant in RESERVED_TENANTS:
                raise ValueError(f"{tenant} is a name of the service's own; choose another")
            if not key.get_secret_value().isascii():
                raise ValueError(f"the key of {tenant} holds characters that a header cannot")
            if len(key.get_secret_value()) < MIN_KEY_LENGTH:
                raise ValueError(f"the key of {tenant} is shorter than {MIN_KEY_LENGTH} characters")
        if len({key.get_secret_value() for key in keys.values()}) < len(keys):
            raise ValueError("two tenants share a key")
        return keys

    @field_validator("redis_url")
    @classmethod
    def _redis_is_a_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parse(url.get_secret_value())
        return url

    @field_validator("qdrant_url", "openai_base_url", "gemini_base_url", "otlp_endpoint")
    @classmethod
    def _is_a_web_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("write it as http://... or https://...")
        return url

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        """Other processes have other working directories."""
        return path.expanduser().resolve()

    @field_validator("prices")
    @classmethod
    def _prices_can_be_read(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        try:
            read_overrides(path.expanduser().resolve())
        except InvalidField as error:
            raise ValueError(f"{error}") from None
        return path.expanduser().resolve()

    @field_validator("alerts")
    @classmethod
    def _rules_can_be_read(cls, path: Path | None) -> Path | None:
        """Raises `InvalidField`, which names the rule and the field."""
        if path is None:
            return None
        from state.alerts.rules import rules_from  # noqa: PLC0415 - with it comes numpy, which a client can do without

        rules_from(path.expanduser().resolve())
        return path.expanduser().resolve()

    @field_validator("alert_channels")
    @classmethod
    def _channels_can_be_used(cls, addresses: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        """Raises `InvalidField`, which names the channel and never its address."""
        for name in addresses:
            if not re.fullmatch(r"[a-z0-9_-]{1,32}", name) or name == "console":
                raise ValueError(f"{name!r} is no name for a channel: a-z, 0-9, - and _, and not 'console'")
        if addresses:
            from actors.monitoring.channels import AppriseChannel  # noqa: PLC0415 - half a second, seldom needed

            for name, address in addresses.items():
                AppriseChannel(name, address.get_secret_value())
        return addresses

    @field_validator("rollouts")
    @classmethod
    def _flags_are_known(cls, rollouts: Mapping[str, float]) -> Mapping[str, float]:
        unknown = sorted(set(rollouts) - set(DEFAULT_ROLLOUTS))
        if unknown:
            raise ValueError(f"unknown flags {unknown}; known are {sorted(DEFAULT_ROLLOUTS)}")
        return rollouts

    @model_validator(mode="after")
    def _replicas_are_there(self) -> Self:
        if self.durability == "replicated" and self.replicas == 0:
            raise ValueError("ASKWELL_DURABILITY is replicated: set ASKWELL_REPLICAS to 1 or more")
        if self.redis_url is None and self.durability != "fast" and self.replicas:
            raise ValueError(
                f"ASKWELL_DURABILITY is {self.durability} and the embedded Valkey has no replicas: name a server that "
                "has some in REDIS_URL, or set ASKWELL_DURABILITY=strict and ASKWELL_REPLICAS=0"
            )
        return self

    @model_validator(mode="after")
    def _operators_are_tenants(self) -> Self:
        unknown = sorted(set(self.operators) - set(self.api_keys))
        if unknown:
            raise ValueError(f"ASKWELL_OPERATORS names {unknown}, who are no tenants of ASKWELL_API_KEYS")
        return self

    @model_validator(mode="after")
    def _embeddings_have_a_key(self) -> Self:
        if self.embeddings != "offline" and getattr(self, f"{self.embeddings}_api_key") is None:
            raise ValueError(f"ASKWELL_EMBEDDINGS is {self.embeddings}: set {self.embeddings.upper()}_API_KEY too")
        return self

    @model_validator(mode="after")
    def _public_addresses_need_keys(self) -> Self:
        if not self.api_keys and not is_loopback(self.host):
            raise ValueError(
                "ASKWELL_HOST is not a loopback address: set ASKWELL_API_KEYS first, or listen on 127.0.0.1"
            )
        for pool in ("generator", "evaluator", "retriever"):
            if getattr(self, f"{pool}_min") > getattr(self, f"{pool}_max"):
                raise ValueError(f"ASKWELL_{pool.upper()}_MIN is above ASKWELL_{pool.upper()}_MAX")
        return self

    @property
    def flag_rollouts(self) -> Mapping[str, float]:
        """Every flag's percentage: the defaults with what `rollouts` changes."""
        return {**DEFAULT_ROLLOUTS, **self.rollouts}

    def is_operator(self, tenant: str) -> bool:
        """Whether the tenant may know of the others."""
        return not self.api_keys or tenant in self.operators

    @property
    def channel_addresses(self) -> Mapping[str, str]:
        """With their secrets."""
        return {name: address.get_secret_value() for name, address in self.alert_channels.items()}

    @property
    def alerts_file(self) -> Path:
        """What the console is told of alerts."""
        return self.data_dir / "alerts.log"

    @property
    def base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def load(**overrides: Any) -> Settings:
    """The settings from the environment. Raises `InvalidField` naming the variable and what it wants."""
    try:
        return Settings(**overrides)
    except SettingsError as error:
        name = str(error).split('"')[1] if '"' in str(error) else "settings"
        raise InvalidField(field=variable(name), fix="write it as JSON") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = variable(str(first["loc"][0])) if first["loc"] else "settings"
        raise InvalidField(field=name, fix=first["msg"].removeprefix("Value error, ")) from None


def variable(field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field.upper() in _PLAIN else f"ASKWELL_{field.upper()}"


def table() -> str:
    """The README's table of variables, in Markdown."""
    rows = ["| variable | default | what it sets |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = "none" if default in (None, {}, ()) else str(default)
        rows.append(f"| `{variable(name)}` | {shown} | {field.description} |")
    return "\n".join(rows)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    print(table())
