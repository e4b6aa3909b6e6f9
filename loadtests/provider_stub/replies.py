"""Decides a call: from what is asked, the configuration and the draws, to what goes out and what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from loadtests.provider_stub.calls import CallRecord, Embedding, End, Finish, Generation, Provider, Said, Sending, Usage
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.draws import Draws
from loadtests.provider_stub.embedding import dimensions_of, embedded
from loadtests.provider_stub.faults import OF_CONTENT, UNANSWERED, Fault, spoiled
from loadtests.provider_stub.latency import Timing, timing
from loadtests.provider_stub.prefix_cache import PrefixCache, PrefixUse
from loadtests.provider_stub.scripted_model import reply_fields
from loadtests.provider_stub.tokens import most_bytes_of, tokens_of
from loadtests.provider_stub.wire import Failure, Wire
from loadtests.provider_stub.wire_gemini import GeminiWire
from loadtests.provider_stub.wire_openai import OpenAIWire

Header = tuple[bytes, bytes]

WIRES: Mapping[Provider, Wire] = {Provider.OPENAI: OpenAIWire(), Provider.GEMINI: GeminiWire()}

_JSON: Mapping[Provider, Header] = {
    Provider.OPENAI: (b"content-type", b"application/json"),
    Provider.GEMINI: (b"content-type", b"application/json; charset=UTF-8"),
}
_EVENTS: Header = (b"content-type", b"text/event-stream")
_FINISHES = {Fault.TRUNCATED: Finish.LENGTH, Fault.REFUSED: Finish.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a call meets besides its own text: its `number` within the operation, and what strikes it."""

    config: StubConfig
    cache: PrefixCache
    draws: Draws
    number: int
    fault: Fault | None


def reply_to(asked: Generation | Embedding, met: Circumstances) -> tuple[Sending, CallRecord]:
    """One call's reply and its record. An embedding has no content for a fault of content to spoil."""
    fault = None if isinstance(asked, Embedding) and met.fault in OF_CONTENT else met.fault
    if fault in UNANSWERED:
        return _unanswered(asked, met, fault)
    if isinstance(asked, Embedding):
        return _embedded(asked, met, fault)
    return _generated(asked, met, fault)


def json_sending(provider: Provider, body: bytes, *, status: int = 200, extra: tuple[Header, ...] = ()) -> Sending:
    """A JSON body, at once and whole."""
    headers = (_JSON[provider], (b"content-length", b"%d" % len(body)), *extra)
    return Sending(status=status, headers=headers, pieces=((0.0, body),))


def failed(provider: Provider, failure: Failure, *, request_id: str = "turned-down") -> Sending:
    extra = (*failure.headers, *_request_id(provider, request_id))
    return json_sending(provider, failure.body, status=failure.status, extra=extra)


def _unanswered(asked: Generation | Embedding, met: Circumstances, fault: Fault) -> tuple[Sending, CallRecord]:
    match fault:
        case Fault.STALL:
            sending = Sending(status=0, end=End.STALL)
        case Fault.DISCONNECT:
            sending = Sending(status=0, end=End.HANG_UP)
        case _:
            failure = WIRES[asked.provider].failure(fault, retry_after_s=met.config.retry_after_s)
            sending = failed(asked.provider, failure, request_id=_id(asked, met))
    return sending, _record(asked, met, fault=fault, status=sending.status)


def _embedded(asked: Embedding, met: Circumstances, fault: Fault | None) -> tuple[Sending, CallRecord]:
    dimensions = asked.dimensions or dimensions_of(asked.model)
    tokens = sum(tokens_of(len(text.encode())) for text in asked.texts)
    vectors = [embedded(text, dimensions) for text in asked.texts]
    times = timing(met.config.latency_of(asked.provider, asked.operation), met.draws, output_tokens=0)
    body = WIRES[asked.provider].embeddings(asked, vectors, tokens)
    sending = _whole(asked, met, body, times, cut=fault is Fault.CUT_OFF)
    return sending, _record(asked, met, fault=fault, usage=Usage(input_tokens=tokens))


def _generated(asked: Generation, met: Circumstances, fault: Fault | None) -> tuple[Sending, CallRecord]:
    config, wire = met.config, WIRES[asked.provider]
    fields, invented = reply_fields(asked, config, met.draws)
    content = fields if asked.schema is None else to_json(fields).decode()
    content = spoiled(fault, content, fields, met.draws)
    finish = Finish.STOP if fault is None else _FINISHES.get(fault, Finish.STOP)
    if finish is Finish.REFUSED and asked.provider is Provider.GEMINI:
        content = ""
    content, finish, output, reasoning = _within(asked.max_output_tokens, content, finish, config.reasoning_tokens)

    times = timing(config.latency_of(asked.provider, asked.operation), met.draws, output_tokens=output)
    prefix = _prefix(asked, met, times)
    usage = Usage(
        input_tokens=prefix.input_tokens,
        cached_tokens=prefix.cached_tokens,
        cache_write_tokens=prefix.written_tokens if _charges_writes(asked, config) else 0,
        output_tokens=output,
        reasoning_tokens=reasoning,
    )
    said = Said(number=met.number, content=content, finish=finish, usage=usage)
    cut = fault is Fault.CUT_OFF
    if asked.stream:
        chunks = wire.chunks(asked, said, _cut_up(content, config.tokens_per_chunk))
        sending = _streamed(asked, met, chunks, times, cut=cut)
    else:
        sending = _whole(asked, met, wire.completion(asked, said), times, cut=cut)
    record = _record(
        asked, met, fault=fault, invented=invented and fault is None, eligible=prefix.eligible, usage=usage
    )
    return sending, record


def _within(limit: int | None, content: str, finish: Finish, reasoning: int) -> tuple[str, Finish, int, int]:
    """Content, finish, output tokens in all and reasoning tokens, once the caller's limit is kept."""
    size = len(content.encode())
    if limit is not None and reasoning + tokens_of(size) > limit:
        reasoning = min(reasoning, limit)
        size = most_bytes_of(limit - reasoning)
        content, finish = content.encode()[:size].decode(errors="ignore"), Finish.LENGTH
    return content, finish, reasoning + tokens_of(size), reasoning


def _prefix(asked: Generation, met: Circumstances, times: Timing) -> PrefixUse:
    config = met.config
    if asked.provider is Provider.OPENAI:
        return met.cache.use(
            f"openai\n{asked.model}\n{asked.cache_scope}",
            asked.prompt,
            minimum_tokens=config.openai_minimum_tokens,
            idle_s=config.openai_idle_s,
            ready_in_s=times.first_s,
        )
    return met.cache.use(
        f"gemini\n{asked.model}",
        asked.prompt,
        minimum_tokens=config.gemini_minimum(asked.model),
        idle_s=config.gemini_idle_s,
        ready_in_s=times.first_s,
        honoured=config.gemini_hit_share >= 1 or met.draws.uniform("cache") < config.gemini_hit_share,
    )


def _charges_writes(asked: Generation, config: StubConfig) -> bool:
    return asked.provider is Provider.OPENAI and asked.model.startswith(config.openai_write_charging)


def _cut_up(content: str, tokens: int) -> list[str]:
    size = most_bytes_of(tokens)
    return [content[start : start + size] for start in range(0, len(content), size)]


def _whole(asked: Generation | Embedding, met: Circumstances, body: bytes, times: Timing, *, cut: bool) -> Sending:
    headers = (
        _JSON[asked.provider],
        (b"content-length", b"%d" % len(body)),
        *_request_id(asked.provider, _id(asked, met)),
    )
    sent = body[: len(body) // 2] if cut else body
    return Sending(headers=headers, pieces=((times.total_s, sent),), end=End.HANG_UP if cut else End.WHOLE)


def _streamed(asked: Generation, met: Circumstances, chunks: list[bytes], times: Timing, *, cut: bool) -> Sending:
    """Each chunk at its time; one write where they are all due at once."""
    sent = chunks[: max(len(chunks) // 2, 1)] if cut else chunks
    if times.total_s:
        pieces = tuple((times.of_piece(place, len(chunks)), chunk) for place, chunk in enumerate(sent))
    else:
        pieces = ((0.0, b"".join(sent)),)
    headers = (_EVENTS, *_request_id(asked.provider, _id(asked, met)))
    return Sending(headers=headers, pieces=pieces, end=End.HANG_UP if cut else End.WHOLE)


def _record(
    asked: Generation | Embedding,
    met: Circumstances,
    *,
    fault: Fault | None,
    status: int = 200,
    invented: bool = False,
    eligible: bool = False,
    usage: Usage = Usage(),  # noqa: B008 - frozen
) -> CallRecord:
    return CallRecord(
        provider=asked.provider,
        operation=asked.operation,
        model=asked.model,
        number=met.number,
        status=status,
        fault=fault,
        invented=invented,
        eligible=eligible,
        usage=usage,
    )


def _id(asked: Generation | Embedding, met: Circumstances) -> str:
    return f"req_{asked.operation}_{met.number}"


def _request_id(provider: Provider, id_: str) -> tuple[Header, ...]:
    return ((b"x-request-id", id_.encode()),) if provider is Provider.OPENAI else ()
