"""One contract for every provider adapter: real SDKs over real sockets, against a server that replies as it is told."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Literal

import pytest
from provider_wires import KEY, USAGE, WIRES, Wire
from scripted_server import (
    Babble,
    Drip,
    HangUp,
    Received,
    Respond,
    Script,
    ScriptedServer,
    Stall,
    Stream,
    respond_json,
)

from actors.providers.port import Call, Fault, Provider, ProviderError, Reply, Turn
from state.messages import Origin
from state.spending import NO_USAGE

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

SECRETS = ("Imogen", "Quillmere", "Kubernetes", KEY, "s-4711")
"""Words of the CV, the task, the prompt, the key and the session's id: no error may hold one."""

CALL = Call(
    operation="write_answer",
    prompt="write_answer/3",
    kind="Answer",
    schema={
        "type": "object",
        "properties": {"title": {"$ref": "#/$defs/Title"}},
        "required": ["title"],
        "additionalProperties": False,
        "$defs": {"Title": {"type": "string"}},
    },
    system="Kubernetes rules",
    context="<cv>Imogen at Quillmere</cv>",
    task="<task>Kubernetes</task>",
    max_output_tokens=777,
    origin=Origin(tenant="acme", session_id="s-4711"),
)
TEXT = '{"title": "naïve café \\u2028 日本 \U0001f600"}'
PIECES = ['{"title": "na', "ïve café \\u2028 日", '本 \U0001f600"}']


@pytest.fixture(params=WIRES, ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param
    return made


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer().serving() as serving:
        yield serving


@pytest.fixture
async def provider(server: ScriptedServer, wire: Wire) -> AsyncIterator[Provider]:
    made = wire.provider(server.url)
    yield made
    await made.aclose()


class Ear:
    def __init__(self) -> None:
        self.heard: list[str | None] = []
        self.first = asyncio.Event()

    def __call__(self, piece: str | None) -> None:
        self.heard.append(piece)
        self.first.set()


def streamed(call: Call = CALL) -> Call:
    return replace(call, heard=Ear())


async def failure(server: ScriptedServer, provider: Provider, reply: Script, call: Call = CALL) -> ProviderError:
    """What one call raises, held to what every error has to promise."""
    server.script(reply)
    with pytest.raises(ProviderError) as raised:
        await provider.call(call)
    assert len(server.received) == 1, "one call sends one request"
    error = raised.value
    told = [str(error), repr(error), *traceback.format_exception(error)]
    assert [secret for secret in SECRETS for text in told if secret in _without_source_lines(text)] == []
    return error


class TestReplies:
    async def test_a_whole_reply_has_its_text_its_names_and_the_usage(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        server.script(respond_json(wire.whole(TEXT)))
        assert await provider.call(CALL) == Reply(text=TEXT, provider=wire.name, model=wire.model, usage=USAGE)
        assert len(server.received) == 1

    async def test_a_streamed_reply_is_the_same_and_heard_in_pieces(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        call = streamed()
        server.script(Stream(parts=tuple(wire.events(PIECES))))
        reply = await provider.call(call)
        assert reply == Reply(text="".join(PIECES), provider=wire.name, model=wire.model, usage=USAGE)
        assert isinstance(call.heard, Ear)
        assert call.heard.heard == PIECES
        assert len(server.received) == 1

    async def test_pieces_are_heard_before_the_reply_has_ended(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        ear = Ear()
        first, *rest = _said(wire, PIECES)
        server.script(Stream(parts=(first, ear.first, *rest)))
        reply = await provider.call(replace(CALL, heard=ear))
        assert reply.text == "".join(PIECES)

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
    async def test_a_stream_may_be_cut_anywhere(
        self, server: ScriptedServer, provider: Provider, wire: Wire, size: int
    ) -> None:
        call = streamed()
        raw = b": a comment\nevent: message\n" + b"".join(wire.events(PIECES)).removesuffix(b"\n")
        server.script(Stream(parts=tuple(raw[at : at + size] for at in range(0, len(raw), size))))
        assert (await provider.call(call)).text == "".join(PIECES)
        assert isinstance(call.heard, Ear)
        assert call.heard.heard == PIECES

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    async def test_a_server_that_counts_nothing_gives_no_usage(
        self, server: ScriptedServer, provider: Provider, wire: Wire, call: Call
    ) -> None:
        server.script(_either(wire, call, usage=False))
        assert (await provider.call(call)).usage == NO_USAGE

    async def test_a_server_that_does_not_name_its_model_is_taken_to_use_the_one_asked_for(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        reply = wire.whole(TEXT)
        reply.pop("model", None)
        reply.pop("modelVersion", None)
        server.script(respond_json(reply))
        assert (await provider.call(CALL)).model == wire.asked_model(server.received[0])

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    async def test_many_calls_run_side_by_side_and_keep_their_connections(
        self, server: ScriptedServer, provider: Provider, wire: Wire, call: Call
    ) -> None:
        server.script(_either(wire, call))
        for _ in range(3):
            replies = await asyncio.gather(*(provider.call(call) for _ in range(100)))
            assert {reply.text for reply in replies} == {TEXT}
        assert server.connections <= 100
        assert len(server.received) == 300


class TestRequests:
    async def test_what_stays_the_same_is_asked_first(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        turns = (Turn(role="assistant", text="{}"), Turn(role="user", text="The title is missing."))
        server.script(respond_json(wire.whole(TEXT)))
        await provider.call(replace(CALL, turns=turns))
        expected = [CALL.system, CALL.context, CALL.task, "{}", "The title is missing."]
        assert wire.asked(server.received[0]) == expected

    async def test_empty_texts_are_left_out(self, server: ScriptedServer, provider: Provider, wire: Wire) -> None:
        server.script(respond_json(wire.whole(TEXT)))
        await provider.call(replace(CALL, context="", system=""))
        assert wire.asked(server.received[0]) == [CALL.task]

    async def test_the_variant_picks_the_model(self, server: ScriptedServer, provider: Provider, wire: Wire) -> None:
        server.script(respond_json(wire.whole(TEXT)))
        await provider.call(CALL)
        await provider.call(replace(CALL, variant="experimental"))
        usual, experimental = map(wire.asked_model, server.received)
        assert usual != experimental

    @pytest.mark.parametrize("variant", ["usual", "experimental"])
    async def test_the_model_may_write_as_much_as_the_adapter_says(
        self, server: ScriptedServer, wire: Wire, variant: Literal["usual", "experimental"]
    ) -> None:
        adapter = wire.provider(server.url)
        server.script(respond_json(wire.whole(TEXT)))
        call = replace(CALL, variant=variant)
        await adapter.call(call)
        await adapter.aclose()
        assert wire.asked_output_tokens(server.received[0]) == adapter.most_output_tokens(call) >= 777

    async def test_neither_the_session_nor_the_tenant_is_told(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        server.script(respond_json(wire.whole(TEXT)))
        await provider.call(CALL)
        received = server.received[0]
        told = f"{received.target} {received.headers} {received.raw.decode()}"
        assert "s-4711" not in told
        assert "acme" not in told


class TestStatuses:
    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    @pytest.mark.parametrize(
        ("status", "fault"),
        [
            (400, Fault.UNFIT),
            (401, Fault.TURNED_DOWN),
            (403, Fault.TURNED_DOWN),
            (404, Fault.TURNED_DOWN),
            (408, Fault.FAILING),
            (409, Fault.FAILING),
            (413, Fault.UNFIT),
            (415, Fault.UNFIT),
            (422, Fault.UNFIT),
            (429, Fault.THROTTLED),
            (500, Fault.FAILING),
            (502, Fault.FAILING),
            (503, Fault.FAILING),
            (529, Fault.FAILING),
        ],
    )
    async def test_a_status_is_a_fault_and_its_text_is_not_told(
        self, *, server: ScriptedServer, provider: Provider, wire: Wire, status: int, fault: Fault, call: Call
    ) -> None:
        def echo(received: Received) -> Respond:
            return wire.failure(status, f"Bad key {received.headers} for {received.raw.decode()}")

        error = await failure(server, provider, echo, call)
        assert (error.fault, error.status, error.provider) == (fault, status, wire.name)
        assert error.retry_after_s is None
        assert error.usage is None
        assert error.model == wire.asked_model(server.received[0])

    async def test_a_spent_quota_is_told_from_a_limit(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        error = await failure(server, provider, wire.failure(429, "You exceeded your current quota", spent=True))
        assert error.fault is Fault.QUOTA_SPENT

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry_after": "7"}, 7.0),
            ({"Retry_After": "0.25"}, 0.25),
            ({"retry_after": "9", "retry_after_ms": "1500"}, 1.5),
            ({"retry_after": "9", "retry_after_ms": "soon"}, 9.0),
            ({"retry_after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 30.0),
            ({"retry_after": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0.0),
            ({"retry_after": "-5"}, 0.0),
            ({"retry_after": "99999999999"}, 86_400.0),
            ({"retry_after": "soon"}, None),
            ({"retry_after": "nan"}, None),
            ({"retry_after": "inf"}, None),
            ({"retry_after": "Wed, 99 Oct 2015 07:28:30 GMT"}, None),
        ],
    )
    async def test_it_says_when_to_come_back(
        self,
        *,
        server: ScriptedServer,
        provider: Provider,
        wire: Wire,
        headers: dict[str, str],
        seconds: float | None,
        status: int,
    ) -> None:
        reply = wire.failure(status, "Later.", date="Wed, 21 Oct 2015 07:28:00 GMT", **headers)
        assert (await failure(server, provider, reply)).retry_after_s == seconds

    async def test_a_date_without_a_clock_to_hold_it_against_says_nothing(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        reply = wire.failure(503, "Later.", retry_after="Wed, 21 Oct 2015 07:28:30 GMT")
        assert (await failure(server, provider, reply)).retry_after_s is None

    async def test_a_redirect_is_not_followed(self, server: ScriptedServer, provider: Provider) -> None:
        reply = Respond(status=307, headers={"location": f"{server.url}/elsewhere"})
        error = await failure(server, provider, reply)
        assert (error.fault, error.status) == (Fault.TURNED_DOWN, 307)

    @pytest.mark.parametrize(
        "body", [b"", b"<html>Imogen", b'"Imogen"', b"[]", b'{"error": "Imogen"}', b'{"error": {"details": "Imogen"}}']
    )
    async def test_an_error_of_any_body_keeps_its_status(
        self, server: ScriptedServer, provider: Provider, body: bytes
    ) -> None:
        reply = Respond(status=502, headers={"content-type": "text/html"}, body=body)
        error = await failure(server, provider, reply)
        assert (error.fault, error.status) == (Fault.FAILING, 502)

    @pytest.mark.parametrize("body", [b'{"error": ', b'"\xff\xfe"'])
    async def test_an_error_that_cannot_be_read_may_be_asked_again(
        self, server: ScriptedServer, provider: Provider, body: bytes
    ) -> None:
        reply = Respond(status=503, headers={"content-type": "application/json"}, body=body)
        assert (await failure(server, provider, reply)).fault in {Fault.FAILING, Fault.GARBLED}


class TestConnections:
    async def test_nobody_listening_is_unreachable(self, wire: Wire) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            provider = wire.provider(f"http://127.0.0.1:{held.getsockname()[1]}")
            with pytest.raises(ProviderError) as raised:
                await provider.call(CALL)
            await provider.aclose()
        assert raised.value.fault is Fault.UNREACHABLE

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    @pytest.mark.parametrize("status", [200, 503])
    async def test_a_body_that_ends_in_the_middle_is_a_lost_connection(
        self, server: ScriptedServer, provider: Provider, wire: Wire, call: Call, status: int
    ) -> None:
        reply = respond_json(wire.whole(TEXT), status=status)
        error = await failure(server, provider, replace(reply, length=len(reply.body) + 99), call)
        assert error.fault is Fault.UNREACHABLE

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    async def test_hanging_up_is_a_lost_connection_and_is_not_tried_again(
        self, server: ScriptedServer, provider: Provider, call: Call
    ) -> None:
        assert (await failure(server, provider, HangUp(), call)).fault is Fault.UNREACHABLE

    async def test_a_connection_lost_in_the_middle_of_a_stream_is_told(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        call = streamed()
        reply = Stream(parts=tuple(_said(wire, PIECES)[:2]), end=False)
        assert (await failure(server, provider, reply, call)).fault is Fault.UNREACHABLE
        assert isinstance(call.heard, Ear)
        assert call.heard.heard == PIECES[:2]

    async def test_a_kept_connection_that_the_server_has_closed_does_not_spoil_later_calls(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        server.script(respond_json(wire.whole(TEXT)), HangUp(), respond_json(wire.whole(TEXT)))
        await provider.call(CALL)
        with pytest.raises(ProviderError):
            await provider.call(CALL)
        assert (await provider.call(CALL)).text == TEXT

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    @pytest.mark.parametrize("reply", [Stall(), Drip(every_s=0.05)], ids=["silent", "dripping"])
    async def test_a_late_reply_is_given_up_and_its_connection_closed(
        self, server: ScriptedServer, wire: Wire, reply: Script, call: Call
    ) -> None:
        provider = wire.provider(server.url, timeout_s=0.3)
        assert (await failure(server, provider, reply, call)).fault is Fault.LATE
        await server.abandoned.wait()
        await provider.aclose()

    async def test_a_cancelled_call_closes_its_connection(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        server.script(Stall(), respond_json(wire.whole(TEXT)))
        waiting = asyncio.create_task(provider.call(CALL))
        await server.arrived.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.abandoned.wait()
        assert (await provider.call(CALL)).text == TEXT

    async def test_a_call_cancelled_in_the_middle_of_its_stream_closes_it(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        ear = Ear()
        server.script(Stream(parts=(_said(wire, PIECES)[0], asyncio.Event())))
        waiting = asyncio.create_task(provider.call(replace(CALL, heard=ear)))
        await ear.first.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.abandoned.wait()
        assert ear.heard == PIECES[:1]

    async def test_a_proxy_is_taken_from_the_environment(
        self, server: ScriptedServer, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        server.script(respond_json(wire.whole(TEXT)))
        provider = wire.provider("http://provider.invalid")
        assert (await provider.call(CALL)).text == TEXT
        assert server.received[0].target.startswith("http://provider.invalid/")
        await provider.aclose()

    async def test_closing_gives_the_connections_back(self, server: ScriptedServer, wire: Wire) -> None:
        provider = wire.provider(server.url)
        server.script(respond_json(wire.whole(TEXT)))
        await provider.call(CALL)
        await provider.aclose()
        await server.ended()
        await provider.aclose()

    async def test_closing_before_the_first_use_does_nothing(self, wire: Wire) -> None:
        await wire.provider("http://127.0.0.1:9").aclose()


class TestUnreadableReplies:
    @pytest.mark.parametrize("body", [b"", b"<html>Imogen", b'{"model": "Imogen', b'"Imogen"', b"[]", b"\xff\xfe"])
    async def test_a_body_that_is_no_reply_is_garbled(
        self, server: ScriptedServer, provider: Provider, body: bytes
    ) -> None:
        reply = Respond(headers={"content-type": "application/json"}, body=body)
        assert (await failure(server, provider, reply)).fault is Fault.GARBLED

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    async def test_bytes_that_are_no_http_are_garbled(
        self, server: ScriptedServer, provider: Provider, call: Call
    ) -> None:
        error = await failure(server, provider, Babble(b"SSH-2.0-Imogen\r\n\r\n"), call)
        assert error.fault is Fault.GARBLED

    async def test_a_compressed_body_that_does_not_unpack_is_garbled(
        self, server: ScriptedServer, provider: Provider
    ) -> None:
        reply = Respond(headers={"content-encoding": "gzip", "content-type": "application/json"}, body=b"no")
        assert (await failure(server, provider, reply)).fault in {Fault.GARBLED, Fault.UNREACHABLE}

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    @pytest.mark.parametrize(("text", "finish"), [("", "stop"), (TEXT, None), (TEXT, "length")])
    async def test_a_reply_without_a_text_or_a_good_end_is_none(
        self, *, server: ScriptedServer, provider: Provider, wire: Wire, call: Call, text: str, finish: str | None
    ) -> None:
        error = await failure(server, provider, _either(wire, call, text=text, finish=finish), call)
        assert error.fault is (Fault.CUT_OFF if finish == "length" else Fault.GARBLED)
        assert error.usage == USAGE
        assert error.model == wire.model

    @pytest.mark.parametrize("call", [CALL, streamed()], ids=["whole", "streamed"])
    async def test_a_filtered_reply_is_declined_and_charged(
        self, server: ScriptedServer, provider: Provider, wire: Wire, call: Call
    ) -> None:
        error = await failure(server, provider, _either(wire, call, text="", finish="filter"), call)
        assert (error.fault, error.usage) == (Fault.DECLINED, USAGE)

    async def test_a_refusal_is_declined_and_charged(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        error = await failure(server, provider, respond_json(wire.refusal()))
        assert (error.fault, error.usage) == (Fault.DECLINED, USAGE)

    async def test_a_streamed_refusal_is_declined_and_not_heard(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        call = streamed()
        error = await failure(server, provider, Stream(parts=tuple(wire.refusal_events())), call)
        assert (error.fault, error.usage) == (Fault.DECLINED, USAGE)
        assert isinstance(call.heard, Ear)
        assert call.heard.heard == []

    @pytest.mark.parametrize("broken", [b"data: Imogen\n\n", b'data: ["Imogen"]\n\n', b"data: \xff\xfe\n\n"])
    async def test_an_event_that_cannot_be_read_is_garbled_and_ends_the_connection(
        self, server: ScriptedServer, provider: Provider, wire: Wire, broken: bytes
    ) -> None:
        endless = Stream(parts=(_said(wire, PIECES)[0], broken, asyncio.Event()))
        assert (await failure(server, provider, endless, streamed())).fault is Fault.GARBLED
        await server.abandoned.wait()

    async def test_a_stream_that_ends_without_an_end_is_garbled(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        reply = Stream(parts=tuple(_said(wire, PIECES)[:2]))
        assert (await failure(server, provider, reply, streamed())).fault is Fault.GARBLED

    async def test_a_server_that_does_not_stream_is_garbled(
        self, server: ScriptedServer, provider: Provider, wire: Wire
    ) -> None:
        error = await failure(server, provider, respond_json(wire.whole(TEXT)), streamed())
        assert error.fault is Fault.GARBLED

    @pytest.mark.parametrize(
        ("status", "fault"),
        [(503, Fault.FAILING), (500, Fault.FAILING), (429, Fault.THROTTLED), (400, Fault.UNFIT)],
    )
    async def test_an_error_in_the_middle_of_a_stream_is_a_fault(
        self, server: ScriptedServer, provider: Provider, wire: Wire, status: int, fault: Fault
    ) -> None:
        reply = Stream(parts=(_said(wire, PIECES)[0], wire.error_event(status, "Imogen")))
        assert (await failure(server, provider, reply, streamed())).fault is fault


def test_the_contract_is_held_against_every_adapter() -> None:
    assert [wire.name for wire in WIRES] == ["openai", "google"]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_a_provider_does_not_show_its_key(wire: Wire) -> None:
    provider = wire.provider("http://127.0.0.1:9")
    assert KEY not in repr(provider)
    await provider.aclose()


def _either(wire: Wire, call: Call, *, text: str = TEXT, finish: str | None = "stop", usage: bool = True) -> Script:
    """The reply whole or in events, as the call wants it."""
    if call.heard is None:
        return respond_json(wire.whole(text, finish=finish, usage=usage))
    return Stream(parts=tuple(wire.events([text], finish=finish, usage=usage)))


def _said(wire: Wire, texts: list[str]) -> list[bytes]:
    """The events of a reply, the first ones up to the first text in one part."""
    events = wire.events(texts)
    first = next(n for n, event in enumerate(events) if _ascii(texts[0]) in event)
    return [b"".join(events[: first + 1]), *events[first + 1 :]]


def _ascii(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


def _without_source_lines(trace: Any) -> str:
    """A traceback quotes code; what it tells of values stands in its other lines."""
    return re.sub(r"^    .*$", "", trace, flags=re.MULTILINE)
