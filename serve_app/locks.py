"""A file that one process of this machine holds: what it stands for is in use as long as that process lives."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def held(path: Path) -> Iterator[IO[str] | None]:
    """The locked file, empty and open to write; None while another process holds it.

    The kernel frees it when its process ends, however that ends. The file stays; its text is gone on the way out.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        file.truncate(0)
        try:
            yield file
        finally:
            file.truncate(0)
