"""The stub itself: an ASGI application that takes calls, and the state that its replies depend on."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from pydantic_core import to_json

from loadtests.provider_stub.calls import CallRecord, Embedding, Generation, Provider, Sending
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.draws import Draws
from loadtests.provider_stub.faults import struck
from loadtests.provider_stub.playing import Receive, Scope, Send, body_of, play
from loadtests.provider_stub.prefix_cache import PrefixCache
from loadtests.provider_stub.replies import WIRES, Circumstances, failed, json_sending, reply_to
from loadtests.provider_stub.report import Report
from loadtests.provider_stub.routes import Ask, Control, ListModels, TurnedDown, routed
from loadtests.provider_stub.traces import Traces, mark_of
from loadtests.provider_stub.wire_openai import models
from state.errors import InvalidField

MAX_CALLS_KEPT = 10_000


class Stub:
    """OpenAI and Gemini on one port.

    `calls` holds the last calls, in the order in which they came in. `clock_s` runs the prefix cache alone.
    """

    def __init__(self, config: StubConfig | None = None, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.config = config or StubConfig()
        self.report = Report()
        self.traces = Traces()
        self.calls: deque[CallRecord] = deque(maxlen=MAX_CALLS_KEPT)
        self._cache = PrefixCache(clock_s=clock_s)
        self._numbers: Counter[str] = Counter()
        self._positions: Counter[str] = Counter()

    def configure(self, config: StubConfig) -> None:
        """Calls from now on are decided by `config`: numbered from 1 again, scripts from their beginning.

        Totals and cached prefixes stay.
        """
        self.config = config
        self._numbers.clear()
        self._positions.clear()

    def reset(self) -> None:
        """As newly started with the present configuration."""
        self.configure(self.config)
        self.report.clear()
        self.traces.clear()
        self.calls.clear()
        self._cache.clear()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application. Faults that break a connection need the protocol that `server` brings."""
        if scope["type"] != "http":
            return
        body = await body_of(receive)
        if body is None:
            return
        sending, call = self._decided(scope, body)
        began_s, began = time.time(), time.perf_counter()
        stayed = await play(sending, scope, receive, send)
        if call is None:
            return
        if not stayed:
            self.report.abandon(call)
        if call.mark:
            elapsed_s = time.perf_counter() - began
            self.traces.add(call.mark, call.operation, sending, began_s=began_s, elapsed_s=elapsed_s, stayed=stayed)

    def _decided(self, scope: Scope, body: bytes) -> tuple[Sending, CallRecord | None]:
        match routed(scope["method"], scope["path"], scope["query_string"], scope["headers"]):
            case Ask(provider=provider, read=read):
                try:
                    asked = read(body)
                except InvalidField as error:
                    return self._turned_down(provider, 400, str(error), field=error.field), None
                return self._answered(asked)
            case ListModels():
                return json_sending(Provider.OPENAI, models(self.config.models)), None
            case TurnedDown(provider=provider, status=status, message=message):
                return self._turned_down(provider, status, message), None
            case Control() as control:
                return self._controlled(control, body), None

    def _answered(self, asked: Generation | Embedding) -> tuple[Sending, CallRecord]:
        config, name = self.config, f"{asked.provider}:{asked.operation}"
        self._numbers[name] += 1
        number = self._numbers[name]
        selector, plan = config.faults_of(asked.provider, asked.operation)
        position = self._positions[selector]
        self._positions[selector] += 1
        draws = Draws(seed=config.seed, operation=name, number=number)
        fault = struck(plan, draws, position=position)
        met = Circumstances(config=config, cache=self._cache, draws=draws, number=number, fault=fault)
        sending, call = reply_to(asked, met)
        if config.traced:
            call = replace(call, mark=mark_of(asked))
        self.report.add(call)
        if sending.pieces:
            self.report.time(call, sending.pieces[-1][0])
        self.calls.append(call)
        return sending, call

    def _turned_down(self, provider: Provider, status: int, message: str, *, field: str = "") -> Sending:
        self.report.turn_down(provider, status)
        return failed(provider, WIRES[provider].turned_down(status, message, field=field))

    def _controlled(self, control: Control, body: bytes) -> Sending:
        match control:
            case Control.CONFIGURE:
                try:
                    self.configure(StubConfig.from_json(body))
                except InvalidField as error:
                    reply = to_json({"error": {"field": error.field, "fix": error.fix}})
                    return json_sending(Provider.OPENAI, reply, status=400)
            case Control.RESET:
                self.reset()
            case Control.TAKE_TRACES:
                return json_sending(Provider.OPENAI, to_json(self.traces.taken()))
        shown = self.config.to_json() if control in _OF_CONFIG else to_json(self.report.as_json())
        return json_sending(Provider.OPENAI, shown)


_OF_CONFIG = frozenset({Control.SHOW_CONFIG, Control.CONFIGURE})
