"""The book of alerts between Redis and those who change it: monitors and, by the routes, operators.

    read ── change ── written by nobody since? ── kept
              └─────────── else once more

While Redis is away a watcher goes on with the book as it knows it, and writes it when Redis is back, unless another
has written meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from state.alerts.book import AlertBook, pack_book, unpack_book
from state.errors import StoreUnavailable
from state.versioned import NEW, VersionedRecord

TRIES = 10

Change = Callable[[AlertBook], AlertBook]


class KeptBook:
    """All methods raise `RecordUnreadable` for a book that cannot be read. `new_stamp` gives unguessable text."""

    def __init__(self, record: VersionedRecord, *, new_stamp: Callable[[], str]) -> None:
        self._record = record
        self._new_stamp = new_stamp
        self._known = (NEW, AlertBook())
        self._unsure = ""
        self._ahead = False

    async def read(self) -> AlertBook:
        """As it is stored. Raises `StoreUnavailable`."""
        return (await self._stored())[1]

    async def change(self, change: Change) -> AlertBook:
        """The book after the change, which is stored; a change that gives the same book writes nothing, and may raise.

        Raises `StoreUnavailable`: whether it is stored is unknown then.
        """
        for _ in range(TRIES):
            version, book = self._base(*await self._stored())
            after = change(book)
            if after is book and not self._ahead:
                return book
            after = replace(after, stamp=self._new_stamp())
            self._unsure = after.stamp
            if await self._record.keep(version, pack_book(after)):
                self._known, self._ahead = (version + 1, after), False
                return after
        raise StoreUnavailable("Others write the alerts too often.")

    def change_alone(self, change: Change) -> AlertBook:
        """The book as this process knows it, changed while Redis does not answer."""
        version, book = self._known
        after = change(book)
        self._known, self._ahead = (version, after), self._ahead or after is not book
        return after

    async def _stored(self) -> tuple[int, AlertBook]:
        kept = await self._record.read()
        if kept is None or kept.record is None:
            return NEW, AlertBook()
        return kept.version, unpack_book(kept.record)

    def _base(self, version: int, stored: AlertBook) -> tuple[int, AlertBook]:
        """What to go on from: the stored book, or the known one, where it is ahead and nobody else has written, or
        where Redis came back empty."""
        known_version, known = self._known
        own = version == known_version or (stored.stamp and stored.stamp == self._unsure)
        if (self._ahead and own) or (version == NEW and known_version != NEW):
            return version, known
        self._known, self._ahead = (version, stored), False
        return version, stored
