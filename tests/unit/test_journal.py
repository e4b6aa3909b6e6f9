"""The journal's file: whole frames come back in order up to the first tear, and nothing else ever does."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.journal import MAGIC, JournalFile, Reading, frame, left_behind, read, without

payloads = st.lists(st.one_of(st.binary(max_size=60), st.just(MAGIC), st.binary(max_size=20).map(frame)), max_size=8)


def reading_of(content: bytes) -> Reading:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.wal"
        path.write_bytes(content)
        return read(path)


@given(written=payloads)
def test_what_was_appended_comes_back(written: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.wal"
        file = JournalFile(path)
        for payload in written:
            file.append([payload])
        file.close()
        assert read(path) == Reading(payloads=tuple(written))


@given(written=payloads, data=st.data())
def test_a_file_cut_anywhere_gives_the_frames_before_the_cut(written: list[bytes], data: st.DataObject) -> None:
    content = b"".join(map(frame, written))
    cut = data.draw(st.integers(0, len(content)))
    reading = reading_of(content[:cut])
    whole = [count for count in range(len(written) + 1) if len(b"".join(map(frame, written[:count]))) <= cut]
    assert reading.payloads == tuple(written[: max(whole)])
    assert b"".join(map(frame, reading.payloads)) + reading.torn == content[:cut]


@given(written=payloads.filter(bool), data=st.data())
def test_a_byte_changed_anywhere_ends_the_reading_at_its_frame(written: list[bytes], data: st.DataObject) -> None:
    content = bytearray(b"".join(map(frame, written)))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    ends = [len(b"".join(map(frame, written[: count + 1]))) for count in range(len(written))]
    struck = next(number for number, end in enumerate(ends) if at < end)
    reading = reading_of(bytes(content))
    assert reading.payloads == tuple(written[:struck])
    assert b"".join(map(frame, reading.payloads)) + reading.torn == bytes(content)


@given(content=st.binary(max_size=200))
def test_bytes_that_no_journal_wrote_are_torn_from_the_first_one_on(content: bytes) -> None:
    reading = reading_of(content)
    assert b"".join(map(frame, reading.payloads)) + reading.torn == content


@given(before=payloads, torn=st.binary(max_size=40), mark=st.just(b"s1"))
def test_what_is_kept_of_torn_bytes_holds_nothing_of_a_session_that_was_erased(
    before: list[bytes], torn: bytes, mark: bytes
) -> None:
    content = b"".join(frame(payload + b"s2") for payload in before) + frame(b"s1" + torn) + frame(b"other")
    kept = without(content, mark)
    assert mark not in kept
    assert b"other" in kept


def test_a_frame_that_was_written_by_half_does_not_hide_the_ones_after_it(tmp_path: Path) -> None:
    path = tmp_path / "some.wal"
    file = JournalFile(path)
    file.append([b"first"])
    descriptor = file._descriptor
    file._descriptor = os.open(path, os.O_RDONLY)  # a disk that takes nothing
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.append([b"second"])
    os.close(file._descriptor)
    file._descriptor = descriptor
    os.write(descriptor, frame(b"second")[:-2])  # what the disk has of it
    file.append([b"third"])
    file.close()
    assert read(path) == Reading(payloads=(b"first", b"third"))


def test_a_file_whose_writer_lives_is_not_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "some.wal"
    file = JournalFile(path)
    with left_behind(path) as found:
        assert found is None
    file.close()
    with left_behind(path) as found:
        assert found == path


def test_a_file_that_is_gone_is_nobodys(tmp_path: Path) -> None:
    with left_behind(tmp_path / "some.wal") as found:
        assert found is None


def test_a_removed_file_takes_nothing_any_more(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "some.wal")
    file.remove()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.append([b"late"])


def test_a_torn_payload_that_holds_the_magic_itself_goes_whole_with_its_session() -> None:
    torn = frame(b"s1 said " + MAGIC + b" and more")[:-1]
    assert without(frame(b"s2") + torn + frame(b"s3"), b"s1") == frame(b"s2") + frame(b"s3")
