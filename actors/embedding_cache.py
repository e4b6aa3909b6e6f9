"""Vectors that were computed before are not asked for again: in this process, and where they cost something, in Redis.

    texts ── held here? ── on its way? ── in Redis? ── what arrives together, in one call ── kept

Both are bounded and keyed by the model and the text's digest. What a candidate wrote is `private`: it is kept in
this process alone, for minutes, and never in Redis, so that an erased session leaves nothing behind there.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import numpy as np
import structlog

from actors.batching import Batching
from actors.embeddings import Embedder, Vectors
from state.errors import StoreUnavailable
from state.messages import NOBODY, Origin
from state.metrics.labels import CacheLevel, Operation
from state.metrics.recorder import SILENT, Recorder

log = structlog.get_logger()
MOST_TEXTS = 100
"""Texts that different callers' calls are joined up to."""


class SharedVectors(Protocol):
    """Where processes share vectors. Both methods raise `StoreUnavailable`."""

    async def found(self, digests: Sequence[bytes]) -> list[bytes | None]:
        """For each digest the vector's bytes, if they are there."""
        ...

    async def keep(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        """Digests and vectors; others may go for them."""
        ...


@dataclass(frozen=True, slots=True)
class _Payer:
    """Who a call is recorded for; `origin` is the whole of it."""

    tenant: str
    session_id: str
    origin: Origin = field(compare=False)


@dataclass(slots=True)
class CacheFigures:
    """Texts by where their vectors came from; `joined` waited for a call that another caller had made."""

    here: int = 0
    joined: int = 0
    shared: int = 0
    computed: int = 0

    @property
    def hit_rate(self) -> float:
        """Share of texts that were not computed, 0 to 1."""
        asked = self.here + self.joined + self.shared + self.computed
        return 1 - self.computed / asked if asked else 0.0


class CachedEmbedder:
    """An `Embedder` over another one, whose vectors it holds for `keep_s` after their last use, at most `most`.

    The calls that arrive together on behalf of one session are joined: a call is paid by one session. `recorder` is
    told of every lookup; a text that waits for another caller's call counts as found.
    """

    def __init__(
        self,
        inner: Embedder,
        *,
        shared: SharedVectors | None = None,
        most: int = 20_000,
        keep_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
        recorder: Recorder = SILENT,
    ) -> None:
        self._inner = inner
        self._shared = shared
        self._most = most
        self._keep_s = keep_s
        self._clock = clock
        self._recorder = recorder
        self._held: OrderedDict[bytes, tuple[float, Vectors]] = OrderedDict()
        self._looking: asyncio.TimerHandle | None = None
        self._coming: dict[bytes, asyncio.Future[Vectors]] = {}
        self._fetching: set[asyncio.Task[dict[bytes, Vectors]]] = set()
        self._calls: Batching[_Payer, str, Vectors] = Batching(self._compute, most=MOST_TEXTS)
        self.name = inner.name
        self.dimension = inner.dimension
        self.floor = inner.floor
        self.figures = CacheFigures()

    @property
    def held(self) -> int:
        """Texts whose vectors are in this process."""
        return len(self._held)

    async def embed(
        self, texts: Sequence[str], origin: Origin = NOBODY, *, private: bool = False, counted: bool = True
    ) -> Vectors:
        """A row for each text, in their order. Raises as the inner embedder does. `counted` says that these lookups
        tell how much the cache is worth; those of texts that come once, at a start, do not."""
        digests = [self._digest(text) for text in texts]
        rows: dict[bytes, Vectors] = {}
        missing: dict[bytes, str] = {}
        coming: dict[bytes, asyncio.Future[Vectors]] = {}
        for digest, text in zip(digests, texts, strict=True):
            row = self._here(digest)
            if row is not None:
                rows[digest] = row
                self.figures.here += 1
            elif digest in self._coming:
                coming[digest] = self._coming[digest]
                self.figures.joined += 1
            else:
                missing[digest] = text
        found = len(texts) - len(missing)
        if counted:
            self._recorder.looked_up(CacheLevel.L1, Operation.EMBED, hits=found, misses=len(missing))
        if missing:
            rows |= await self._fetched(missing, origin, private=private, counted=counted)
        for digest, future in coming.items():
            rows[digest] = await asyncio.shield(future)
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([rows[digest] for digest in digests])

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._inner.aclose()

    async def _fetched(
        self, missing: dict[bytes, str], origin: Origin, *, private: bool, counted: bool
    ) -> dict[bytes, Vectors]:
        """From Redis or computed, for all who ask meanwhile. A caller that goes away leaves the others theirs."""
        futures = {digest: asyncio.get_running_loop().create_future() for digest in missing}
        self._coming |= futures
        fetching = asyncio.create_task(self._fetch(missing, futures, origin, private=private, counted=counted))
        self._fetching.add(fetching)
        fetching.add_done_callback(self._fetched_by_then)
        return await asyncio.shield(fetching)

    def _fetched_by_then(self, fetching: asyncio.Task[dict[bytes, Vectors]]) -> None:
        """Kept until it ends; its failure is seen here too, for whoever began it may be gone."""
        self._fetching.discard(fetching)
        if not fetching.cancelled():
            fetching.exception()

    async def _fetch(
        self,
        missing: dict[bytes, str],
        futures: dict[bytes, asyncio.Future[Vectors]],
        origin: Origin,
        *,
        private: bool,
        counted: bool,
    ) -> dict[bytes, Vectors]:
        try:
            rows = {} if private else await self._from_shared(list(missing), counted=counted)
            self.figures.shared += len(rows)
            left = {digest: text for digest, text in missing.items() if digest not in rows}
            if left:
                payer = _Payer(origin.tenant, origin.session_id, origin)
                computed = await self._calls.results(payer, list(left.values()))
                self.figures.computed += len(left)
                fresh = dict(zip(left, computed, strict=True))
                rows |= fresh
                if not private:
                    await self._to_shared(fresh)
        except BaseException as error:
            for future in futures.values():
                future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                future.exception()
            raise
        else:
            for digest, future in futures.items():
                future.set_result(rows[digest])
                self._hold(digest, rows[digest])
            return rows
        finally:
            for digest in futures:
                del self._coming[digest]

    async def _compute(self, payer: _Payer, texts: list[str]) -> list[Vectors]:
        return list(await self._inner.embed(texts, payer.origin))

    async def _from_shared(self, digests: list[bytes], *, counted: bool) -> dict[bytes, Vectors]:
        if self._shared is None:
            return {}
        try:
            found = await self._shared.found(digests)
        except StoreUnavailable:
            log.warning("shared_vectors_not_looked_for")
            return {}
        size = self.dimension * np.dtype(np.float32).itemsize
        rows = {
            digest: np.frombuffer(kept, dtype=np.float32)
            for digest, kept in zip(digests, found, strict=True)
            if kept is not None and len(kept) == size
        }
        missed = len(digests) - len(rows)
        if counted:
            self._recorder.looked_up(CacheLevel.L2, Operation.EMBED, hits=len(rows), misses=missed)
        return rows

    async def _to_shared(self, rows: dict[bytes, Vectors]) -> None:
        if self._shared is None:
            return
        try:
            await self._shared.keep([(digest, row.tobytes()) for digest, row in rows.items()])
        except StoreUnavailable:
            log.warning("shared_vectors_not_kept")

    def _here(self, digest: bytes) -> Vectors | None:
        """What is held, unless it has not been used for too long."""
        self._drop_stale()
        now = self._clock()
        held = self._held.pop(digest, None)
        if held is None:
            return None
        self._held[digest] = (now, held[1])
        return held[1]

    def _drop_stale(self) -> None:
        """The least used stand at the old end."""
        stale = self._clock() - self._keep_s
        while self._held and next(iter(self._held.values()))[0] < stale:
            self._held.popitem(last=False)

    def _look_again(self) -> None:
        """What nobody asks for any more goes too, at most twice `keep_s` after its last use."""
        self._drop_stale()
        self._looking = asyncio.get_running_loop().call_later(self._keep_s, self._look_again) if self._held else None

    def _hold(self, digest: bytes, row: Vectors) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(self._keep_s, self._look_again)
        self._held[digest] = (self._clock(), row)
        self._held.move_to_end(digest)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def _digest(self, text: str) -> bytes:
        return blake2b(text.encode(errors="replace"), key=self.name.encode()[:64], digest_size=16).digest()
