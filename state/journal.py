"""A journal file: frames that are on the disk once they are appended, and what can be read back of a torn one.

    AWJ1 | length, 4 bytes | CRC-32 of the payload, 4 bytes | payload

A writer holds the file's lock for as long as it lives, so that a file that can be locked belongs to nobody.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"AWJ1"
_HEAD = struct.Struct(">4sII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The payloads of the whole frames, in order, and the bytes from the first tear on."""

    payloads: tuple[bytes, ...]
    torn: bytes = b""


class JournalFile:
    """One writer's file, created and locked. All methods raise `OSError` where the disk fails."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fsync(self._descriptor)
            sync_folder(path.parent)
        except OSError:
            os.close(self._descriptor)
            raise
        self._length = os.fstat(self._descriptor).st_size
        self._torn = False
        self._writing = threading.Lock()

    def append(self, payloads: list[bytes]) -> None:
        """Write the frames and wait until the disk has them. To be called in any thread."""
        with self._writing:  # whoever waited for an append before this one may have given up waiting
            if self._torn:  # nothing that comes after a piece of a frame could be read
                os.ftruncate(self._descriptor, self._length)
            self._torn = True
            frames = memoryview(b"".join(map(frame, payloads)))
            length = len(frames)
            while frames:
                frames = frames[os.write(self._descriptor, frames) :]
            os.fdatasync(self._descriptor)
            self._length += length
            self._torn = False

    def remove(self) -> None:
        """Delete the file and give its lock back."""
        self._path.unlink(missing_ok=True)
        sync_folder(self._path.parent)
        self.close()

    def close(self) -> None:
        with self._writing:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def left_behind(path: Path) -> Iterator[Path | None]:
    """The file, locked, if its writer is gone; None while it lives, or where the file is gone itself."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path if path.exists() else None
    except BlockingIOError:
        yield None
    finally:
        os.close(descriptor)


def read(path: Path) -> Reading:
    """Everything up to the first frame that is not whole."""
    content = path.read_bytes()
    payloads: list[bytes] = []
    at = 0
    while at < len(content):
        payload = _frame_at(content, at)
        if payload is None:
            break
        payloads.append(payload)
        at += _HEAD.size + len(payload)
    return Reading(payloads=tuple(payloads), torn=content[at:])


def frame(payload: bytes) -> bytes:
    return _HEAD.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def without(content: bytes, mark: bytes) -> bytes:
    """Torn bytes less every whole frame that holds `mark`, and less every unreadable run between two whole frames
    that does: nobody can tell where in such a run one frame ends and the next begins."""
    kept: list[bytes] = []
    run = at = 0
    while at < len(content):
        payload = _frame_at(content, at)
        if payload is None:
            found = content.find(MAGIC, at + 1)
            at = len(content) if found < 0 else found
            continue
        end = at + _HEAD.size + len(payload)
        kept += [content[run:at], content[at:end]]
        run = at = end
    kept.append(content[run:])
    return b"".join(piece for piece in kept if mark not in piece)


def write_whole(path: Path, content: bytes) -> None:
    """A new file that is on the disk when this returns, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A file's name is on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _frame_at(content: bytes, at: int) -> bytes | None:
    if len(content) - at < _HEAD.size:
        return None
    magic, length, checksum = _HEAD.unpack_from(content, at)
    payload = content[at + _HEAD.size : at + _HEAD.size + length]
    if magic != MAGIC or len(payload) != length or zlib.crc32(payload) != checksum:
        return None
    return payload
