"""Records that each schema wrote read back to what they were; those of a newer one are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import pytest

from state.codec import (
    SCHEMA,
    UPGRADES,
    pack,
    pack_documents,
    pack_entry,
    pack_session,
    unpack,
    unpack_entry,
    unpack_session,
)
from state.errors import RecordUnreadable
from state.events import EVENTS
from state.model import Question
from state.replay import replay
from state.store import Stored
from tests.golden.make import make
from tests.golden.records import FOLDER, KINDS, readable, samples

PRESENT = FOLDER / f"schema-{SCHEMA}"
EVERY = sorted(path for path in FOLDER.glob("schema-*/*.json"))


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def parts_of(path: Path) -> dict[str, bytes]:
    """The parts of a record, beside the value that it has to read back to."""
    return {part.name.split(".")[1]: part.read_bytes() for part in path.parent.glob(f"{path.stem}.*.msgpack")}


def holds(told: Any, read: Any) -> bool:
    """Whether everything that was told is in what was read: a later schema may have fields more."""
    if isinstance(told, Mapping):
        return isinstance(read, Mapping) and all(name in read and holds(told[name], read[name]) for name in told)
    if isinstance(told, list):
        return len(told) == len(read) and all(map(holds, told, read))
    return bool(told == read) and type(told) is type(read)


def test_every_schema_up_to_the_present_one_has_its_records() -> None:
    assert {path.name for path in FOLDER.glob("schema-*")} == {f"schema-{n}" for n in range(1, SCHEMA + 1)}
    assert set(UPGRADES) == set(range(1, SCHEMA)), "from each older schema there is a way up"


def test_the_present_schema_has_a_record_of_every_kind_and_every_event() -> None:
    kept = {path.stem: json.loads(path.read_text())["kind"] for path in EVERY if path.parent == PRESENT}
    assert kept == {name: kind for name, (kind, _) in samples().items()}
    assert set(kept.values()) == set(KINDS)
    assert {name.split("-")[2] for name in kept if name.startswith("entry-")} == set(EVENTS)


@pytest.mark.parametrize("path", EVERY, ids=named)
def test_a_record_reads_back_to_what_was_stored(path: Path) -> None:
    told = json.loads(path.read_text())
    read = json.loads(json.dumps(readable(KINDS[told["kind"]].unpack(parts_of(path)))))
    if path.parent == PRESENT:
        assert read == told["value"], "a field that comes or goes makes another schema"
    else:
        assert holds(told["value"], read)


@pytest.mark.parametrize("path", [path for path in EVERY if path.parent == PRESENT], ids=named)
def test_a_record_of_the_present_schema_is_packed_into_the_same_bytes_again(path: Path) -> None:
    kind = KINDS[json.loads(path.read_text())["kind"]]
    assert kind.pack(kind.unpack(parts_of(path))) == parts_of(path)


@pytest.mark.parametrize("path", EVERY, ids=named)
def test_a_record_of_the_schema_after_the_present_one_is_refused(path: Path) -> None:
    kind = KINDS[json.loads(path.read_text())["kind"]]
    for name, record in parts_of(path).items():
        newer = msgpack.packb([SCHEMA + 1, msgpack.unpackb(record)[1]])
        with pytest.raises(RecordUnreadable, match=f"schema {SCHEMA + 1}"):
            kind.unpack({**parts_of(path), name: newer})


@pytest.mark.parametrize("version", range(1, SCHEMA + 1))
def test_the_log_of_every_schema_folds_to_its_state(version: int) -> None:
    folder = FOLDER / f"schema-{version}"
    log = [path.read_bytes() for path in sorted(folder.glob("entry-*.record.msgpack"))]
    state, documents = (folder / f"session.{part}.msgpack" for part in ("state", "documents"))
    stored = Stored(epoch=1, version=len(log), state=state.read_bytes(), documents=documents.read_bytes())
    replayed = replay(log, stored)
    assert (replayed.fault, replayed.stored_schema) == (None, version)


def lifted(kind: str, payload: Any) -> Any:
    """From a schema that never was: it had a question's text under another name, and a log without times to live."""
    if kind == "Question":
        return {("text" if name == "wording" else name): value for name, value in payload.items()}
    if kind == "LogEntry":
        return {**payload, "expires_ms": payload["at_ms"] + 5}
    if kind == "documents":
        return {"cv": payload["resume"], "job": payload["job"]}
    return payload


class TestUpgrades:
    OLDER = SCHEMA - 1

    def older(self, payload: Any) -> bytes:
        record: bytes = msgpack.packb([self.OLDER, payload])
        return record

    def payload(self, record: bytes) -> Any:
        return msgpack.unpackb(record)[1]

    def test_records_of_an_older_schema_are_lifted_by_their_kind_and_written_anew_as_the_present_one(self) -> None:
        kept = samples()
        upgrades = {self.OLDER: lifted}
        question = kept["reply-question"][1]
        fields = self.payload(pack(question))
        fields = {("wording" if name == "text" else name): value for name, value in fields.items()}
        assert unpack(Question, self.older(fields), upgrades=upgrades) == question
        assert pack(unpack(Question, self.older(fields), upgrades=upgrades)) == pack(question)

        entry = kept["entry-04-SaidYes"][1]
        fields = self.payload(pack_entry(entry))
        del fields["expires_ms"]
        assert unpack_entry(self.older(fields), upgrades=upgrades).expires_ms == entry.at_ms + 5

        session = kept["session"][1]
        state, documents = map(self.payload, (pack_session(session), pack_documents(session)))
        documents = {"resume": documents["cv"], "job": documents["job"]}
        assert unpack_session(self.older(state), self.older(documents), upgrades=upgrades) == session

    def test_an_older_record_that_nothing_lifts_is_refused(self) -> None:
        with pytest.raises(RecordUnreadable, match="nothing brings up to date"):
            unpack(Question, self.older({}), upgrades={})

    def test_a_corrupt_older_record_is_refused_and_not_quoted(self) -> None:
        with pytest.raises(RecordUnreadable) as refused:
            unpack_entry(self.older({"SECRET": 1}), upgrades={self.OLDER: lifted})
        assert "SECRET" not in str(refused.value)
        assert refused.value.__cause__ is None

    @pytest.mark.parametrize("schema", [True, None, "1", -1, 0.5])
    def test_what_is_no_schema_is_refused(self, schema: Any) -> None:
        with pytest.raises(RecordUnreadable):
            unpack(Question, msgpack.packb([schema, {}]))


def test_the_maker_never_overwrites(tmp_path: Path) -> None:
    folder = tmp_path / "schema-9"
    written = make(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len([name for name in before if name.endswith(".json")]) == written
    with pytest.raises(FileExistsError):
        make(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
