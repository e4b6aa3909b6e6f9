"""The whole service on a real cluster, its processes killed and stopped at random while candidates are interviewed.

    python -m loadtests.drills.kills [--sessions 200] [--every 4] [--seed 1] [--json FILE]

`askwell up` is started as a user does it, offline. Each candidate sends every request until it has its outcome, under
one Idempotency-Key, some of them twice at once, and repeats old keys at random. At the end every session is read
back: what was acknowledged stands in its log exactly once, and one key has had one reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from loadtests.drills.sessions import CVS, EVENTS, JOB, missing_or_doubled, standing
from tests.cluster.running import Running

AT_ONCE = 6
PATIENCE_S = 120.0
PAUSE_S = 0.2
STOPPED_S = 6.0
GAPS = [{"title": title, "job_asks": f"{title} in production"} for title in ("Kubernetes", "Terraform", "Kafka")]
INPUTS = {"achievement": "I moved five services into a Kubernetes cluster and wrote the Helm charts with two others."}
MORE = {"metrics": "Deployments went from 40 minutes to 6."}
KILLED: Mapping[str, str] = {
    "session actor": "SessionStateActor",
    "generator": "ServeReplica:askwell:Generator",
    "evaluator": "ServeReplica:askwell:Evaluator",
    "retriever": "ServeReplica:askwell:Retriever",
    "ingress": "ServeReplica:askwell:Ingress",
    "valkey": "valkey-server",
}
STOPPED: Mapping[str, str] = {"session actor stopped": "SessionStateActor", "valkey stopped": "valkey-server"}


@dataclass(slots=True, kw_only=True)
class Figures:
    """Counts over the run; `outages_s` is, by fault, the longest that any request that it struck took."""

    sessions: int = 0
    requests: int = 0
    duplicates: int = 0
    acknowledged: int = 0
    lost_or_doubled: int = 0
    divergent: int = 0
    unanswered: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    slowest_s: dict[str, float] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


class Candidate:
    """One interview, and its reckoning."""

    def __init__(self, client: httpx.AsyncClient, figures: Figures, rng: random.Random, struck: list[str]) -> None:
        self._client = client
        self._figures = figures
        self._rng = rng
        self._struck = struck
        self._acknowledged: list[tuple[str, str]] = []
        self._sent: list[tuple[str, Any, str, bytes]] = []

    async def interview(self) -> None:
        body = {"cv": self._rng.choice(CVS), "job": JOB, "gaps": GAPS}
        session = await self._insist("/api/sessions", body)
        path = f"/api/sessions/{session['id']}"
        for question in session["questions"]:
            await self._answer(f"{path}/questions/{question['id']}", question["id"])
            if self._rng.random() < 0.5:
                await self._repeat(*self._rng.choice(self._sent))
        await self._reckon(path)

    async def _answer(self, at: str, question_id: str) -> None:
        response = self._rng.choice(["yes", "yes", "no", "willing_to_learn"])
        await self._insist(f"{at}/experience", {"response": response})
        self._acknowledged.append((question_id, EVENTS[response]))
        if response != "yes":
            return
        question = await self._insist(f"{at}/inputs", {"inputs": INPUTS})
        self._acknowledged.append((question_id, "InputsGiven"))
        while question["step"] == "NEEDS_REFINEMENT":
            more = {question["follow_ups"][0]["id"]: MORE["metrics"]}
            question = await self._insist(f"{at}/refinement", {"inputs": more})
            self._acknowledged.append((question_id, "RefinementGiven"))

    async def _insist(self, path: str, body: Any) -> dict[str, Any]:
        """Until it is answered; sometimes two deliveries of it at once, whose replies have to be the same."""
        key, began = uuid.uuid4().hex, time.monotonic()
        copies = 2 if self._rng.random() < 0.5 else 1
        self._figures.duplicates += copies - 1
        replies = await asyncio.gather(*(self._delivered(path, body, key) for _ in range(copies)))
        if len(set(replies)) > 1:
            self._figures.divergent += 1
            self._figures.troubles.append(f"{path}: two replies to one key")
        self._figures.acknowledged += 1
        self._sent.append((path, body, key, replies[0]))
        for fault in set(self._struck):
            taken = round(time.monotonic() - began, 2)
            self._figures.slowest_s[fault] = max(self._figures.slowest_s.get(fault, 0.0), taken)
        answer: dict[str, Any] = json.loads(replies[0])
        return answer

    async def _repeat(self, path: str, body: Any, key: str, first: bytes) -> None:
        self._figures.duplicates += 1
        if await self._delivered(path, body, key) != first:
            self._figures.divergent += 1
            self._figures.troubles.append(f"{path}: another reply to an old key")

    async def _delivered(self, path: str, body: Any, key: str) -> bytes:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._figures.requests += 1
            try:
                reply = await self._client.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                self._figures.refusals[type(error).__name__] += 1
            else:
                if reply.is_success:
                    return reply.content
                self._note_refusal(path, reply)
            await asyncio.sleep(PAUSE_S)
        self._figures.unanswered += 1
        self._figures.troubles.append(f"{path}: never answered")
        return b"{}"

    def _note_refusal(self, path: str, reply: httpx.Response) -> None:
        """A refusal of Askwell's own says when to come back; a replica that died says nothing."""
        if reply.headers.get("content-type") != "application/problem+json":
            self._figures.refusals[f"{reply.status_code} without a problem"] += 1
            return
        kind = reply.json()["type"].rpartition(":")[2]
        self._figures.refusals[f"{reply.status_code} {kind}"] += 1
        if "retry-after" not in reply.headers:
            self._figures.troubles.append(f"{path}: {reply.status_code} {kind} says not when to come back")

    async def _reckon(self, path: str) -> None:
        self._figures.sessions += 1
        happened = standing(await self._log(path))
        if wrong := missing_or_doubled(self._acknowledged, happened):
            self._figures.lost_or_doubled += len(wrong)
            self._figures.troubles.append(f"{path}: lost or doubled {wrong}")

    async def _log(self, path: str) -> list[tuple[str, str]]:
        """The session's whole log by question and event, over a stream that may break: it goes on after the last id."""
        found: list[tuple[str, str]] = []
        last, version = 0, -1
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if version < 0:
                    version = (await self._client.get(path)).raise_for_status().json()["version"]
                async with self._client.stream("GET", f"{path}/events", headers={"Last-Event-ID": f"{last}"}) as reply:
                    name = ""
                    async for line in reply.aiter_lines():
                        if line.startswith("event: "):
                            name = line.removeprefix("event: ")
                        elif line.startswith("data: ") and name != "Delta":
                            data = json.loads(line.removeprefix("data: "))
                            if data["version"] != last + 1:
                                self._figures.troubles.append(f"{path}: event {data['version']} after {last}")
                            last = data["version"]
                            found.append((data.get("question_id", ""), name))
                            if last == version:
                                return found
            except (httpx.HTTPError, KeyError):
                await asyncio.sleep(PAUSE_S)
        self._figures.troubles.append(f"{path}: its log cannot be read")
        return found


async def strike(service: Running, figures: Figures, rng: random.Random, every_s: float, struck: list[str]) -> None:
    """One fault after another, each once the last one's wounds have closed, until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        fault = rng.choice([*KILLED, *STOPPED])
        found = _processes(service, KILLED.get(fault) or STOPPED[fault])
        if not found:
            continue
        victim = rng.choice(found)
        figures.faults[fault] += 1
        struck.append(fault)
        with suppress(psutil.NoSuchProcess):
            if fault in STOPPED:
                victim.suspend()
                try:
                    await asyncio.sleep(STOPPED_S)
                finally:
                    with suppress(psutil.NoSuchProcess):
                        victim.resume()
            else:
                victim.kill()
        await asyncio.sleep(every_s)
        struck.remove(fault)


async def drill(service: Running, *, sessions: int, seed: int, every_s: float) -> Figures:
    figures, struck = Figures(), list[str]()
    slots = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:

        async def one(number: int) -> None:
            async with slots:
                rng = random.Random(f"{seed}/{number}")  # noqa: S311 - decides what a candidate does
                await Candidate(client, figures, rng, struck).interview()

        striking = asyncio.create_task(
            strike(service, figures, random.Random(seed), every_s, struck)  # noqa: S311 - draws faults
        )
        await asyncio.gather(*(one(number) for number in range(sessions)))
        striking.cancel()
        await asyncio.wait({striking})
    return figures


def _processes(service: Running, name: str) -> list[psutil.Process]:
    found = []
    for child in service.children():
        with suppress(psutil.Error):
            if name in " ".join(child.cmdline()):
                found.append(child)
    return found


def main() -> int:
    """The process's exit code: 1 where anything was lost, doubled or answered in two ways."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--sessions", type=int, default=200)
    arguments.add_argument("--every", type=float, default=4.0, help="seconds before and after each fault")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="askwell-kills-") as folder:
        service = Running(Path(folder))
        service.start()
        try:
            figures = asyncio.run(drill(service, sessions=options.sessions, seed=options.seed, every_s=options.every))
        finally:
            service.stop()
    table = Table("what", "count")
    for name in ("sessions", "requests", "duplicates", "acknowledged", "lost_or_doubled", "divergent", "unanswered"):
        table.add_row(name, str(getattr(figures, name)))
    for kind, counts in (("fault", figures.faults), ("refused", figures.refusals)):
        for name, count in counts.most_common():
            table.add_row(f"{kind}: {name}", str(count))
    for name, seconds in sorted(figures.slowest_s.items()):
        table.add_row(f"slowest request under it: {name}", f"{seconds} s")
    Console().print(table)
    for trouble in figures.troubles[:20]:
        print(trouble)
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return int(bool(figures.troubles))


if __name__ == "__main__":
    sys.exit(main())
