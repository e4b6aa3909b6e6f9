"""Redis away: commits of held sessions go into a journal on this machine, and into Redis when it is back.

    DIR/OWNER.wal        what an owner has acknowledged and Redis has not seen yet; gone once Redis has
    DIR/conflicts/       commits that Redis refused afterwards, one a file; never dropped silently
    DIR/torn/            what could not be read of a journal from its first tear on

For one machine only: whoever may claim a session looks into the same folder. An owner begins its file while
its lease still stands, and another claims its sessions only after that lease has ended and the file is gone;
so a commit in a journal has no rival. Its commits pass the same script as any other, under the owner and
epoch that they were made under, and one that Redis had already is not written twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

from state import journal
from state.codec import pack, unpack
from state.errors import Fenced, RecordUnreadable, StoreUnavailable
from state.lease import BEATS, Lease
from state.store import Commit, RecordStore

log = structlog.get_logger()
SUFFIX = ".wal"


class Outage:
    """One owner's way through an outage; implements `state.lease.Standby`.

    `on_conflict` is told the id of a session of which a commit was refused afterwards: its copy is of no use.
    """

    def __init__(self, store: RecordStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._file: journal.JournalFile | None = None
        self._pending: deque[Commit] = deque()
        self._appending = asyncio.Lock()
        self._on_conflict: Callable[[str], None] = lambda _: None

    def told_of_conflicts(self, on_conflict: Callable[[str], None]) -> None:
        self._on_conflict = on_conflict

    async def commit(self, commit: Commit, lease: Lease) -> None:
        """As `RecordStore.commit`; where Redis does not answer, on this machine's disk instead.

        Raises `StoreUnavailable` where neither can be had: for a new session, and once the lease has ended.
        """
        while not await self._append(commit):
            try:
                async with asyncio.timeout(lease.lease_s / BEATS):
                    await self._store.commit(commit)
                return
            except (TimeoutError, StoreUnavailable) as error:
                if commit.version == 0 or not lease.stand_in():
                    raise StoreUnavailable(cause=type(error).__name__) from None

    def begin(self, owner: str, valid: Callable[[], bool]) -> bool:
        if not valid():
            return False
        try:
            file = journal.JournalFile(self._path(owner))
        except OSError as error:
            log.error("journal_not_begun", error=type(error).__name__)
            return False
        if not valid():  # stopped in between: others may have looked for the file before it was there
            file.remove()
            return False
        self._file = file
        return True

    async def settle(self) -> None:
        await self.settle_left_behind()
        while self._pending:
            await self._settled(self._pending[0])
            self._pending.popleft()

    async def end(self) -> None:
        async with self._appending:
            await self.settle()
            if self._file is not None:
                self._file.remove()
                self._file = None

    async def require_settled(self, owner: str) -> None:
        """Raises `StoreUnavailable` while an owner's journal holds what Redis has not seen."""
        if not self._path(owner).exists():
            return
        await self.settle_left_behind()
        if self._path(owner).exists():
            raise StoreUnavailable("The former owner's journal is being settled.")

    async def settle_left_behind(self) -> None:
        """Give Redis what owners that are gone have left in their journals."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            with journal.left_behind(path) as found:
                if found is None:
                    continue
                reading = journal.read(found)
                for payload in reading.payloads:
                    await self._settled_payload(payload)
                if reading.torn:
                    self._keep_torn(found, reading.torn)
                found.unlink()
                journal.sync_folder(self._folder)
                log.warning("journal_settled", commits=len(reading.payloads))

    def forget(self, session_id: str) -> None:
        """Delete what is kept of a session's refused or unreadable commits."""
        for path in self._folder.glob(f"conflicts/{session_id}.*"):
            path.unlink(missing_ok=True)
        for path in self._folder.glob("torn/*"):
            content = path.read_bytes()
            if session_id.encode() in content:
                journal.write_whole(path, journal.without(content, session_id.encode()))

    async def _append(self, commit: Commit) -> bool:
        """False where Redis is not away."""
        async with self._appending:
            if self._file is None:
                return False
            if commit.version == 0:
                raise StoreUnavailable("New sessions need Redis, which does not answer.")
            try:
                await asyncio.to_thread(self._file.append, [pack(commit)])
            except OSError as error:
                raise StoreUnavailable(cause=type(error).__name__) from None
            self._pending.append(commit)
            return True

    async def _settled_payload(self, payload: bytes) -> None:
        try:
            commit = unpack(Commit, payload)
        except RecordUnreadable:
            log.error("journal_frame_unreadable")
            self._keep("torn", "frame", payload)
            return
        await self._settled(commit)

    async def _settled(self, commit: Commit) -> None:
        """In Redis now, or kept as a conflict. Raises `StoreUnavailable`."""
        try:
            await self._store.commit(commit)
        except Fenced as refused:
            if await self._stands(commit):
                return
            log.error("journal_conflict", session_id=commit.record_id, reason=refused.data.get("reason"))
            name = f"{commit.record_id}.{commit.version + 1}"
            self._keep("conflicts", name, journal.frame(pack(commit)))
            self._on_conflict(commit.record_id)

    async def _stands(self, commit: Commit) -> bool:
        """Whether Redis has this very commit already."""
        return await self._store.entries(commit.record_id, after=commit.version, upto=commit.version + 1) == [
            commit.entry
        ]

    def _keep_torn(self, path: Path, torn: bytes) -> None:
        log.error("journal_torn", file=path.name, bytes=len(torn))
        self._keep("torn", path.stem, torn)

    def _keep(self, kind: str, name: str, content: bytes) -> None:
        """Under a name that is not taken yet."""
        number = 0
        while (path := self._folder / kind / f"{name}.{number}").exists():
            number += 1
        journal.write_whole(path, content)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner.replace('/', '~')}{SUFFIX}"


def left(folder: Path) -> dict[str, list[Path]]:
    """What a folder of journals holds: journals not settled yet, refused commits, unreadable remains."""
    return {
        "waiting": sorted(folder.glob(f"*{SUFFIX}")),
        "refused": sorted(folder.glob("conflicts/*")),
        "torn": sorted(folder.glob("torn/*")),
    }
