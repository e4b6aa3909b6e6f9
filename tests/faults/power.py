"""What a machine's disk would hold after its power is cut.

`kill -9` loses nothing that a process has written: the page cache outlives it. So the server runs with a library
before libc that notes, each time fdatasync has returned, how long the file was when it was called. Cutting the
append-only file to that length leaves what the server had been promised by its kernel, and not a byte more. Whether
disks keep what they promise is not tested.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.faults.servers import Node

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int noted(int fd, const char *name) {
    int (*sync_file)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char link[64], path[4096] = "", length[32];
    struct stat before;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0 || fstat(fd, &before) < 0) return sync_file(fd);
    int result = sync_file(fd);
    if (result == 0 && strstr(path, ".incr.aof")) {
        int note = open(getenv("SYNCED"), O_WRONLY | O_CREAT, 0600);
        int size = snprintf(length, sizeof length, "%020lld", (long long)before.st_size);
        if (note < 0 || pwrite(note, length, size, 0) != size) abort();
        close(note);
    }
    return result;
}

int fdatasync(int fd) { return noted(fd, "fdatasync"); }
int fsync(int fd) { return noted(fd, "fsync"); }
"""


def shim(folder: Path) -> Path:
    """The library, compiled; there has to be a C compiler."""
    source, library = folder / "synced.c", folder / "synced.so"
    source.write_text(_SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


@dataclass(eq=False)
class PoweredNode(Node):
    """A server whose power can be cut."""

    library: Path = Path()

    @property
    def synced(self) -> int:
        """The length of its append-only file that is certain to be on the disk."""
        note = self.directory / "synced"
        return int(note.read_text()) if note.exists() else 0

    @property
    def written(self) -> int:
        return self._log.stat().st_size

    def cut_power(self) -> int:
        """End it, and take from its file what its disk may not have; how many bytes that was."""
        self.kill()
        lost = self.written - self.synced
        os.truncate(self._log, self.synced)
        return lost

    @property
    def _log(self) -> Path:
        (found,) = self.directory.glob("appendonlydir/*.incr.aof")
        return found

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "LD_PRELOAD": str(self.library), "SYNCED": str(self.directory / "synced")}
