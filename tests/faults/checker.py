"""Judges a recorded history: is every session one linearizable log, and every key one outcome?

A session's states stand in a row: nothing, version 1, 2, ... and, after its erasure, nothing again. Every answer
that a client got fits some of them (its positions). Positions may not go back in real time: an operation that was
invoked after another had returned stands at the same state or at a later one, and no state stands before the
invocation that made it. Each operation is given the least position that fits; if that one comes too late for what
followed, so does every other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from state.codec import pack, pack_session, unpack, unpack_entry
from state.errors import AskwellError
from state.events import WITHDRAWALS, InputsGiven, RefinementGiven
from state.outcomes import Outcome
from state.session import SESSION_ITSELF, LogEntry, apply
from state.workflow import pending, session_pending
from tests.faults.history import OK, REFUSED, UNKNOWN, FinalLife, History, Operation, digest


@dataclass(frozen=True, slots=True)
class Violation:
    """`check` names the rule that was broken."""

    check: str
    session_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.check}: {self.session_id}: {self.what}"


@dataclass(slots=True)
class State:
    """One position: a version of one life, or nothing. Digests are of the bytes as they are stored."""

    life: int
    version: int = 0
    digest: str = ""
    entry: str = ""
    opened: bool = False
    steps: dict[str, str] = field(default_factory=dict)


def check(history: History) -> list[Violation]:
    """Every rule that the history breaks, at least once for each session that breaks it."""
    found: list[Violation] = []
    operations: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        operations[operation.session_id].append(operation)
    for session_id in sorted(operations.keys() | history.lives.keys()):
        lives = history.lives.get(session_id, [])
        found += _Session(session_id, lives, operations[session_id]).violations()
        if not lives or lives[-1].erased:
            found += _left_over(session_id, history)
    return found + list(_repeated_calls(history))


def excused(history: History, lost_from: int) -> History:
    """The history less what came after Redis, which had promised no more, lost a write: nothing is sure of that."""
    operations = [one if one.returned < lost_from else replace(one, outcome=UNKNOWN) for one in history.operations]
    return replace(history, operations=operations, model_calls=[], vectors={})


def _left_over(session_id: str, history: History) -> Iterator[Violation]:
    if vectors := history.vectors.get(session_id):
        yield Violation("erased", session_id, f"vectors stay: {', '.join(vectors)}")
    if parts := history.leftovers.get(session_id):
        yield Violation("erased", session_id, f"keys stay: {', '.join(parts)}")


def _repeated_calls(history: History) -> Iterator[Violation]:
    """An owner asks for nothing again that was kept, unless it could not look; one that was replaced may not know."""
    for call in history.model_calls:
        kept = history.kept.get((call.session_id, call.life, call.name))
        if kept is not None and kept < call.started and call.by_owner and call.looked != "failed":
            yield Violation("repeated model call", call.session_id, f"{call.name} at {call.started}, kept at {kept}")


class _Session:
    """One session's lives folded, and its operations held against them."""

    def __init__(self, session_id: str, lives: Sequence[FinalLife], operations: Sequence[Operation]) -> None:
        self._id = session_id
        self._lives = lives
        self._operations = operations
        self._states: list[State] = [State(life=-1)]
        self._found: list[Violation] = []
        self._outcomes: list[dict[str, Outcome]] = []
        self._replies: list[dict[str, tuple[str, int]]] = []
        self._begun_at: list[dict[str, int]] = []
        for number, life in enumerate(lives):
            self._fold(number, life)

    def violations(self) -> list[Violation]:
        for number, life in enumerate(self._lives):
            self._check_life(number, life)
        self._check_order()
        return self._found

    def _say(self, check: str, what: str) -> None:
        self._found.append(Violation(check, self._id, what))

    # the log

    def _fold(self, number: int, life: FinalLife) -> None:
        """The life's states, and for each key the digest of its reply and the position where that was reached."""
        outcomes = {key: unpack(Outcome, packed) for key, packed in life.outcomes.items()}
        first = len(self._states) - 1
        replies: dict[str, tuple[str, int]] = {}
        session = None
        state = b""
        waiting = {key: outcome for key, outcome in outcomes.items() if outcome.reply}
        for record in life.entries:
            entry = unpack_entry(record)
            try:
                session = apply(session, entry)
            except AskwellError as error:
                self._say("log", f"life {number}: {type(entry.event).__name__} at {entry.version}: {error}")
                break
            if entry.version != len(self._states) - first:
                self._say("log", f"life {number}: version {entry.version} where {len(self._states) - first} was due")
                break
            state = pack_session(session)
            self._states.append(
                State(
                    life=number,
                    version=entry.version,
                    digest=digest(state),
                    entry=digest(record),
                    opened=not session_pending(session),
                    steps={question.id: question.step.value for question in session.questions},
                )
            )
            for key, outcome in list(waiting.items()):
                if outcome.started > entry.version or isinstance(entry.event, WITHDRAWALS):
                    continue
                if outcome.target == SESSION_ITSELF:
                    ready, reply = not session_pending(session), state
                else:
                    question = session.require(outcome.target)
                    ready, reply = not pending(question), pack(question)
                if ready:
                    replies[key] = (digest(reply), len(self._states) - 1)
                    del waiting[key]
        if life.state and state and life.state != state:
            self._say("state", f"life {number}: the state is not the log folded")
        if life.erased:
            self._states.append(State(life=number))
        self._outcomes.append(outcomes)
        self._replies.append(replies)
        self._begun_at.append({key: first + outcome.started for key, outcome in outcomes.items()})

    def _check_life(self, number: int, life: FinalLife) -> None:
        if life.stale:
            self._say("stale commit", f"life {number}: {life.stale} commits of owners that had been replaced")
        entries = [unpack_entry(record) for record in life.entries]
        if entries and entries[0].version != 1:
            self._say("erased", f"life {number}: it begins at version {entries[0].version}")
        by_start: dict[int, str] = {}
        for key, outcome in sorted(self._outcomes[number].items()):
            if outcome.started in by_start:
                self._say("one key a transition", f"{key} and {by_start[outcome.started]} began {outcome.started}")
            by_start[outcome.started] = key
            if not outcome.reply:
                continue
            if self._replies[number].get(key, ("", 0))[0] != digest(outcome.reply):
                self._say("outcome", f"life {number}: the outcome of {key} is not what the log says")
        self._check_doubled(number, entries)

    def _check_doubled(self, number: int, entries: Sequence[LogEntry]) -> None:
        """What a candidate gave is taken once, unless it was withdrawn before it was given again; in a history that is
        checked no two keys give the same inputs."""
        given: dict[tuple[str, str], int] = {}
        for entry in entries:
            if isinstance(entry.event, WITHDRAWALS):
                given = {mark: at for mark, at in given.items() if mark[0] != entry.question_id}
            if not isinstance(entry.event, InputsGiven | RefinementGiven):
                continue
            mark = (entry.question_id, repr(sorted(entry.event.inputs.items())))
            if mark in given:
                self._say("doubled", f"life {number}: {mark[1]} at {given[mark]} and at {entry.version}")
            given[mark] = entry.version

    # the operations

    def _check_order(self) -> None:
        """Least positions, in the order of invocation, and the rule that they do not go back."""
        returned: list[tuple[int, int, Operation]] = []
        for operation in sorted(self._operations, key=lambda one: one.invoked):
            if operation.outcome not in {OK, REFUSED}:
                continue
            before = [(position, other) for at, position, other in returned if at < operation.invoked]
            least, because = max(before, key=lambda one: one[0], default=(0, None))
            position = self._least(operation, least)
            if position is None:
                if because is not None and self._least(operation, 0) is not None:
                    self._say("real time", f"{_told(operation)} goes back behind {_told(because)}")
                continue
            returned.append((operation.returned, position, operation))
        self._check_future(returned)

    def _check_future(self, placed: Sequence[tuple[int, int, Operation]]) -> None:
        """Nothing is seen before the request that made it was invoked."""
        for number, begun in enumerate(self._begun_at):
            for key, start in begun.items():
                invoked = [one.invoked for one in self._operations if one.key == key]
                for returned, position, operation in placed:
                    if invoked and returned < min(invoked) and position >= start:
                        self._say("real time", f"{_told(operation)} saw life {number}'s {key} before it was asked for")

    def _least(self, operation: Operation, least: int) -> int | None:
        """The least position from `least` on at which the operation may have had its outcome. Complains of one
        that fits nowhere at all."""
        if operation.outcome == REFUSED:
            return self._least_refusal(operation, least)
        match operation.kind:
            case "create" | "reply":
                return self._least_recorded(operation, least)
            case "read":
                fits = [n for n, state in enumerate(self._states) if state.version and state.digest == operation.digest]
                if not fits and least == 0:
                    self._say("read", f"{_told(operation)} is no state of the log")
            case "watch":
                fits = self._watched(operation, complain=least == 0)
            case "erase":
                ends = [n for n, state in enumerate(self._states) if n and not state.version]
                under_way = 2  # steps that were cancelled with their commits on the way
                fits = [n for n in ends if 0 <= self._states[n - 1].version - operation.version <= under_way]
                if not fits and least == 0:
                    self._say("lost", f"{_told(operation)} is acknowledged, and there is no such erasure")
                fits = [n for n in ends if fits and n >= fits[0]]
        return next((n for n in fits if n >= least), None)

    def _least_recorded(self, operation: Operation, least: int) -> int | None:
        """Any state from the recorded reply's on, for as long as the life lasts that recorded it."""
        known = [
            (number, self._replies[number][operation.key])
            for number, outcomes in enumerate(self._outcomes)
            if operation.key in self._replies[number] and outcomes[operation.key].reply
        ]
        for number, (reply, position) in known:
            if reply != operation.digest:
                continue
            last = max(n for n, state in enumerate(self._states) if state.life == number and state.version)
            if max(position, least) <= last:
                return max(position, least)
        if least == 0:
            if known:
                self._say("one outcome", f"{_told(operation)} got another reply than the one recorded for its key")
            else:
                self._say("lost", f"{_told(operation)} is acknowledged, and no outcome of its key is there")
        return None

    def _watched(self, operation: Operation, *, complain: bool) -> list[int]:
        """Entries may be followed by more, which the next watch gets; no entries say that there were none."""
        versions = [version for version, _ in operation.entries]
        first = operation.after + 1
        if versions != list(range(first, first + len(versions))):
            if complain:
                self._say("watch", f"{_told(operation)} got versions {versions} after {operation.after}")
            return []
        at = versions[-1] if versions else operation.after
        fits = []
        for number in range(len(self._lives)):
            row = [n for n, state in enumerate(self._states) if state.life == number and state.version]
            entries = {self._states[n].version: self._states[n].entry for n in row}
            if all(entries.get(version) == seen for version, seen in operation.entries):
                fits += [
                    n for n in row if self._states[n].version == at or (self._states[n].version > at) == bool(versions)
                ]
        if not fits and complain and operation.entries:
            self._say("watch", f"{_told(operation)} got entries that are not in the log")
        return fits

    def _least_refusal(self, operation: Operation, least: int) -> int | None:
        """NotFound needs a state without it, StepNotOpen one with the step that it named; others say nothing."""
        for n in range(least, len(self._states)):
            state = self._states[n]
            step = state.steps.get(operation.question_id)
            if operation.error == "NotFound":
                fits = not state.version or (operation.kind == "reply" and step is None)
            elif operation.error == "Erased":
                fits = n > 0 and not state.version
            elif operation.error == "StepNotOpen":
                fits = step == operation.step
            else:
                return least
            if fits:
                return n
        if least == 0:
            self._say("refusal", f"{_told(operation)} fits no state of the log")
        return None


def _told(operation: Operation) -> str:
    what = operation.key or f"version {operation.version or operation.after}"
    return f"{operation.kind} of {operation.client} ({what}, {operation.invoked} to {operation.returned})"
