"""One contract for the embedders that ask a provider; the local one; and that their vectors are kept apart."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pytest
from provider_wires import KEY
from scripted_server import HangUp, Received, Respond, Script, ScriptedServer, Stall, respond_json

from actors.catalogue import load
from actors.embedding_calls import MAX_TEXT_BYTES
from actors.embeddings import LARGE, Embedder, LocalEmbedder, Vectors, WordLlamaEmbedder
from actors.embeddings_gemini import GeminiEmbedder
from actors.embeddings_openai import OpenAIEmbedder
from actors.embeddings_recorded import EmbeddingRecords
from actors.retriever import Retriever
from actors.vectors import Collection, MemoryVectorStore
from state.errors import Broken, StoreUnavailable, WorkUnavailable
from state.messages import NOBODY, FindResources, Origin
from state.prices import Prices
from state.spending import CallRecord, CallStatus, Usage

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

DIMENSION = 6
NOW_MS = 1_795_000_000_000
CATALOGUE = load()


def vector(text: str, dimension: int = DIMENSION) -> list[float]:
    """The same for the same text, of a length of its own."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return [float(value) for value in np.random.default_rng(seed).normal(size=dimension).astype(np.float32)]


class Wire(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def most_texts(self) -> int: ...

    def embedder(self, url: str, **options: Any) -> Embedder: ...

    def texts(self, received: Received) -> list[str]: ...

    def reply(self, vectors: Sequence[Sequence[float]], tokens: int | None = 11) -> Respond: ...


@dataclass(frozen=True, slots=True)
class OpenAIWire:
    name: str = "openai:text-embedding-3-small"
    most_texts: int = 2048

    def embedder(self, url: str, **options: Any) -> Embedder:
        defaults = {"dimension": DIMENSION, "is_openai": True}
        return OpenAIEmbedder(api_key=KEY, base_url=f"{url}/v1", **{**defaults, **options})

    def texts(self, received: Received) -> list[str]:
        return list(received.body["input"])

    def reply(self, vectors: Sequence[Sequence[float]], tokens: int | None = 11) -> Respond:
        data = [
            {"index": place, "embedding": b64encode(np.asarray(row, dtype="<f4").tobytes()).decode()}
            for place, row in enumerate(vectors)
        ]
        usage = {} if tokens is None else {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
        return respond_json({"data": data[::-1], "model": "text-embedding-3-small", **usage})


@dataclass(frozen=True, slots=True)
class GeminiWire:
    name: str = "google:gemini-embedding-001"
    most_texts: int = 100

    def embedder(self, url: str, **options: Any) -> Embedder:
        return GeminiEmbedder(api_key=KEY, base_url=url, **{"dimension": DIMENSION, **options})

    def texts(self, received: Received) -> list[str]:
        return [request["content"]["parts"][0]["text"] for request in received.body["requests"]]

    def reply(self, vectors: Sequence[Sequence[float]], tokens: int | None = 11) -> Respond:
        usage = {} if tokens is None else {"usageMetadata": {"promptTokenCount": tokens}}
        return respond_json({"embeddings": [{"values": list(row)} for row in vectors], **usage})


@pytest.fixture(params=[OpenAIWire(), GeminiWire()], ids=lambda wire: wire.name.partition(":")[0])
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param
    return made


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
async def server(wire: Wire) -> AsyncIterator[ScriptedServer]:
    """Embeds every text by `vector`, until told otherwise."""
    async with ScriptedServer().serving() as serving:
        serving.script(_embedding(wire))
        yield serving


@dataclass
class Listed:
    """A ledger that only records; an `open` that is not set keeps it from doing so, and `away` fails it."""

    records: list[CallRecord] = field(default_factory=list)
    open: asyncio.Event | None = None
    away: bool = False

    async def record(self, record: CallRecord) -> None:
        if self.open is not None:
            await self.open.wait()
        if self.away:
            raise StoreUnavailable
        self.records.append(record)

    async def reserve(self, *, tenant: str, now_ms: int, tokens: int, limit: int) -> bool:
        raise AssertionError

    async def settle(self, *, tenant: str, now_ms: int, reserved: int, used: int) -> None:
        raise AssertionError


@dataclass
class Made:
    """Makes embedders, and closes them after the test."""

    wire: Wire
    server: ScriptedServer
    ledger: Listed = field(default_factory=Listed)
    embedders: list[Embedder] = field(default_factory=list)

    def __call__(self, **options: Any) -> Embedder:
        records = EmbeddingRecords(ledger=self.ledger, price=Prices().price, now_ms=lambda: NOW_MS)
        made = self.wire.embedder(self.server.url, records=records, **options)
        self.embedders.append(made)
        return made

    async def recorded(self) -> list[CallRecord]:
        """What the ledger holds once every record is kept."""
        for embedder in self.embedders:
            await embedder.aclose()
        return self.ledger.records


@pytest.fixture
async def make(wire: Wire, server: ScriptedServer) -> AsyncIterator[Made]:
    made = Made(wire=wire, server=server)
    yield made
    for embedder in made.embedders:
        await embedder.aclose()


class TestContract:
    async def test_each_text_gets_its_row_of_length_1(self, make: Made) -> None:
        texts = [f"text {number}" for number in range(20)]
        rows = await make().embed(texts)
        assert rows.shape == (20, DIMENSION)
        assert rows.dtype == np.float32
        for row, text in zip(rows, texts, strict=True):
            raw = np.asarray(vector(text), dtype=np.float32)
            np.testing.assert_allclose(row, raw / np.linalg.norm(raw), rtol=1e-5)
        assert len(make.server.received) == 1

    async def test_texts_without_a_letter_are_zeros_and_not_asked_for(self, make: Made) -> None:
        rows = await make().embed(["", "a", " \n\t", "b", ""])
        assert make.wire.texts(make.server.received[0]) == ["a", "b"]
        lengths = np.linalg.norm(rows, axis=1)
        assert lengths == pytest.approx([0, 1, 0, 1, 0])

    @pytest.mark.parametrize("texts", [[], ["", "  "]])
    async def test_nothing_to_embed_asks_nobody(self, make: Made, texts: list[str]) -> None:
        assert (await make().embed(texts)).shape == (len(texts), DIMENSION)
        assert make.server.received == []
        assert await make.recorded() == []

    async def test_many_texts_go_in_as_many_calls_as_the_provider_wants(self, make: Made) -> None:
        texts = [f"t{number}" for number in range(make.wire.most_texts * 2 + 1)]
        rows = await make().embed(texts)
        sizes = [len(make.wire.texts(received)) for received in make.server.received]
        assert sizes == [make.wire.most_texts, make.wire.most_texts, 1]
        last = np.asarray(vector(texts[-1]), dtype=np.float32)
        np.testing.assert_allclose(rows[-1], last / np.linalg.norm(last), rtol=1e-5)
        usages = [(f"{call.provider}:{call.model}", call.usage) for call in await make.recorded()]
        assert usages == [(make.wire.name, Usage(input_tokens=11))] * 3

    async def test_a_long_text_is_embedded_by_its_beginning(self, make: Made) -> None:
        await make().embed(["é" * MAX_TEXT_BYTES])
        (sent,) = make.wire.texts(make.server.received[0])
        assert sent == "é" * (MAX_TEXT_BYTES // 2)

    async def test_half_a_surrogate_does_not_break_the_call(self, make: Made) -> None:
        rows = await make().embed(["a\ud800b"])
        assert np.linalg.norm(rows[0]) == pytest.approx(1)

    async def test_usage_that_is_not_counted_is_unknown_and_not_0(self, make: Made) -> None:
        make.server.script(make.wire.reply([vector("a")], tokens=None))
        await make().embed(["a"])
        (call,) = await make.recorded()
        assert (call.status, call.usage, call.cost_usd) == (CallStatus.ANSWERED, None, None)

    async def test_an_answered_call_is_recorded_whole(self, make: Made) -> None:
        await make().embed(["a"], Origin(tenant="acme", session_id="s1"))
        (call,) = await make.recorded()
        assert (call.tenant, call.session_id, call.operation, call.at_ms) == ("acme", "s1", "embed", NOW_MS)
        assert (call.status, call.fault, call.usage) == (CallStatus.ANSWERED, "", Usage(input_tokens=11))
        assert call.cost_usd is not None
        assert call.cost_usd > 0
        assert call.latency_ms > 0

    async def test_a_failed_call_is_recorded_with_its_fault(self, make: Made) -> None:
        make.server.script(respond_json({"error": {"message": "wait"}}, status=429))
        with pytest.raises(WorkUnavailable):
            await make().embed(["a"], Origin(tenant="acme"))
        (call,) = await make.recorded()
        assert (call.tenant, f"{call.provider}:{call.model}") == ("acme", make.wire.name)
        assert (call.status, call.fault, call.usage) == (CallStatus.FAILED, "throttled", None)
        assert call.latency_ms > 0

    async def test_of_a_reply_that_is_none_the_usage_is_recorded_all_the_same(self, make: Made) -> None:
        make.server.script(make.wire.reply([vector("a")]))
        with pytest.raises(WorkUnavailable):
            await make().embed(["a", "b"])
        (call,) = await make.recorded()
        assert (call.status, call.fault, call.usage) == (CallStatus.FAILED, "garbled", Usage(input_tokens=11))

    async def test_a_call_that_nobody_waits_for_any_more_is_recorded_as_given_up(self, make: Made) -> None:
        make.server.script(Stall())
        asked = asyncio.create_task(make().embed(["a"], Origin(tenant="acme")))
        await make.server.arrived.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        (call,) = await make.recorded()
        assert (call.tenant, f"{call.provider}:{call.model}") == ("acme", make.wire.name)
        assert (call.status, call.fault, call.usage) == (CallStatus.GIVEN_UP, "", None)

    async def test_no_caller_waits_for_a_record(self, make: Made) -> None:
        make.ledger.open = asyncio.Event()
        assert (await make().embed(["a"])).shape == (1, DIMENSION)
        assert make.ledger.records == []
        make.ledger.open.set()
        assert len(await make.recorded()) == 1

    async def test_a_record_that_cannot_be_kept_loses_no_vector(self, make: Made) -> None:
        make.ledger.away = True
        assert (await make().embed(["a"])).shape == (1, DIMENSION)
        assert await make.recorded() == []

    async def test_calls_need_not_be_recorded(self, wire: Wire, server: ScriptedServer) -> None:
        embedder = wire.embedder(server.url)
        assert (await embedder.embed(["a"])).shape == (1, DIMENSION)
        await embedder.aclose()

    @pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
    async def test_a_fault_of_the_provider_is_work_that_cannot_be_done_now(self, make: Made, status: int) -> None:
        make.server.script(
            lambda received: respond_json({"error": {"message": received.raw.decode()}}, status=status, retry_after="9")
        )
        with pytest.raises(WorkUnavailable) as raised:
            await make().embed(["Imogen"])
        assert raised.value.retry_after_s == 9.0
        assert f"status {status}" in str(raised.value)
        assert "Imogen" not in str(raised.value)
        assert len(make.server.received) == 1

    @pytest.mark.parametrize(
        "reply",
        [
            HangUp(),
            Respond(body=b"Imogen"),
            respond_json({"data": "Imogen", "embeddings": "Imogen"}),
            respond_json({"data": [], "embeddings": []}),
            respond_json({"data": [{"index": 0, "embedding": "Imogen!"}], "embeddings": [{"values": ["Imogen"]}]}),
        ],
    )
    async def test_a_reply_that_is_none_is_work_that_cannot_be_done_now(self, make: Made, reply: Script) -> None:
        make.server.script(reply)
        with pytest.raises(WorkUnavailable) as raised:
            await make().embed(["Imogen"])
        assert "Imogen" not in str(raised.value)

    @pytest.mark.parametrize(
        "rows",
        [
            [vector("a")],
            [vector("a"), vector("b"), vector("c")],
            [vector("a"), [float("nan")] * DIMENSION],
            [vector("a"), vector("b", DIMENSION + 1)],
        ],
        ids=["too few", "too many", "not a number", "ragged"],
    )
    async def test_vectors_that_fit_no_texts_are_not_taken(self, make: Made, rows: list[list[float]]) -> None:
        make.server.script(make.wire.reply(rows))
        with pytest.raises(WorkUnavailable):
            await make().embed(["a", "b"])

    async def test_vectors_of_another_dimension_need_an_operator(self, make: Made) -> None:
        make.server.script(make.wire.reply([vector("a", DIMENSION + 1)]))
        with pytest.raises(Broken) as raised:
            await make().embed(["a"])
        assert f"{DIMENSION + 1} dimensions, not {DIMENSION}" in str(raised.value)
        assert f"set ASKWELL_EMBEDDING_DIMENSION={DIMENSION + 1}" in str(raised.value)

    async def test_a_silent_provider_is_given_up(self, make: Made) -> None:
        make.server.script(Stall())
        with pytest.raises(WorkUnavailable):
            await make(timeout_s=0.2).embed(["a"])
        await make.server.abandoned.wait()

    async def test_the_name_holds_provider_model_and_dimension(self, make: Made) -> None:
        names = {make(**options).name for options in ({}, {"dimension": 7}, {"model": "another"})}
        assert len(names) == 3
        assert make().name == f"{make.wire.name.replace(':', '-')}-{DIMENSION}"

    async def test_a_floor_of_ones_own_is_kept(self, make: Made) -> None:
        assert make(floor=0.125).floor == 0.125


class TestOpenAI:
    @pytest.fixture
    def wire(self) -> Wire:
        return OpenAIWire()

    async def test_openai_is_asked_for_the_dimension(self, make: Made) -> None:
        await make().embed(["a"])
        received = make.server.received[0]
        assert received.target == "/v1/embeddings"
        assert received.body == {
            "model": "text-embedding-3-small",
            "input": ["a"],
            "encoding_format": "base64",
            "dimensions": DIMENSION,
        }

    async def test_another_server_is_not_and_goes_by_another_name(self, make: Made) -> None:
        embedder = make(is_openai=False, model="bge-m3")
        await embedder.embed(["a"])
        assert "dimensions" not in make.server.received[0].body
        assert embedder.name == f"openai-compatible-bge-m3-{DIMENSION}"

    async def test_numbers_in_json_are_taken_too(self, make: Made) -> None:
        make.server.script(respond_json({"data": [{"index": 0, "embedding": [3.0, 4.0, 0, 0, 0, 0]}]}))
        assert (await make().embed(["a"]))[0].tolist() == pytest.approx([0.6, 0.8, 0, 0, 0, 0])

    async def test_no_call_holds_more_bytes_than_openai_takes_tokens(self, make: Made) -> None:
        texts = ["x" * 7_000] * 100
        rows = await make().embed(texts)
        sizes = [sum(map(len, make.wire.texts(received))) for received in make.server.received]
        assert max(sizes) <= 300_000
        assert len(sizes) == 3
        assert len(rows) == 100


class TestGemini:
    @pytest.fixture
    def wire(self) -> Wire:
        return GeminiWire()

    async def test_the_whole_request(self, make: Made) -> None:
        await make().embed(["a"])
        received = make.server.received[0]
        assert received.target == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
        assert received.body == {
            "requests": [
                {
                    "model": "models/gemini-embedding-001",
                    "taskType": "SEMANTIC_SIMILARITY",
                    "outputDimensionality": DIMENSION,
                    "content": {"parts": [{"text": "a"}]},
                }
            ]
        }


@dataclass
class Threads:
    """Notes in which thread it embeds."""

    name: str = "threads"
    dimension: int = 1
    floor: float = 0.5
    used: list[threading.Thread] = field(default_factory=list)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.used.append(threading.current_thread())
        return np.ones((len(texts), 1), dtype=np.float32)


class TestLocal:
    async def test_it_is_the_model_it_wraps(self) -> None:
        model = WordLlamaEmbedder()
        local = LocalEmbedder(model)
        assert (local.name, local.dimension, local.floor) == (model.name, model.dimension, model.floor)
        np.testing.assert_array_equal(await local.embed(["Kubernetes", ""]), model.embed(["Kubernetes", ""]))
        await local.aclose()

    async def test_little_is_embedded_at_once_and_much_beside_the_event_loop(self) -> None:
        threads = Threads()
        local = LocalEmbedder(threads)
        for texts in (["loads"], ["little"], ["x" * LARGE]):
            await local.embed(texts)
        here = threading.main_thread()
        assert [thread is here for thread in threads.used] == [False, True, False]


@dataclass(frozen=True, slots=True)
class Fixed:
    """Says that every text points where it was told; `dimension` the same for all of its kind."""

    name: str
    towards: Callable[[str], int]
    dimension: int = 8
    floor: float = 0.5

    async def embed(self, texts: Sequence[str], origin: Origin = NOBODY) -> Vectors:
        return np.eye(self.dimension, dtype=np.float32)[[self.towards(text) % self.dimension for text in texts]]

    async def aclose(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize(
    ("former", "latter"),
    [
        ("openai-text-embedding-3-small-8", "openai-text-embedding-3-large-8"),
        ("openai-text-embedding-3-small-8", "openai-compatible-text-embedding-3-small-8"),
        ("openai-compatible-BAAI/bge-8", "openai-compatible-BAAI-bge-8"),
        ("openai-compatible-a b-8", "openai-compatible-a/b-8"),
    ],
)
async def test_switching_the_model_never_mixes_vectors(former: str, latter: str) -> None:
    """Two models of one dimension that contradict each other: each finds what it alone has stored."""
    store = MemoryVectorStore()
    old = Fixed(name=former, towards=len)
    new = Fixed(name=latter, towards=lambda text: len(text) + 1)
    alone = [await _found(MemoryVectorStore(), one) for one in (old, new)]
    together = [await _found(store, one) for one in (old, new, old)]
    assert together == [alone[0], alone[1], alone[0]]
    held = [name for name in store._collections if name.startswith("resources-")]
    assert len(held) == 2
    assert all(len(store._collections[name].points) == len(CATALOGUE.resources) for name in held)


async def test_another_dimension_of_the_same_model_is_another_collection() -> None:
    names = {Collection.of("x", Fixed(name="m", towards=len, dimension=size)).name for size in (8, 16)}
    assert len(names) == 2


async def test_embedders_of_providers_serve_the_retriever(make: Made) -> None:
    ranked = await Retriever(store=MemoryVectorStore(), embedder=make(floor=-1.0), catalogue=CATALOGUE).find_resources(
        FindResources(need="learn Kubernetes")
    )
    assert len(ranked) == 5
    asked = [text for received in make.server.received for text in make.wire.texts(received)]
    assert len(asked) == len(CATALOGUE.resources) + 1


async def _found(store: MemoryVectorStore, embedder: Embedder) -> list[tuple[str, float]]:
    finder = Retriever(store=store, embedder=embedder, catalogue=CATALOGUE)
    ranked = await finder.find_resources(FindResources(need="learn Kubernetes"))
    return [(one.resource.id, one.match) for one in ranked]


def _embedding(wire: Wire) -> Script:
    return lambda received: wire.reply([vector(text) for text in wire.texts(received)])
