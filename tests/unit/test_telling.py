"""What a watcher is told while a result is being written: by the model's reply, then by the session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telling import Retold, Teller, Told, streamed
from state.errors import WorkUnavailable
from state.messages import Delta, Heard
from state.telling import ATTENTION_MS, MAX_PIECES, Telling

ANSWER = {
    "title": "Helm charts",
    "bullets": [
        {"kind": "build", "text": "Moved five services.", "claims": [{"text": "five", "source": "input:a"}]},
        {"kind": "engineer", "text": "Wrote charts.", "claims": []},
    ],
}
PROMPTS = {"prompts": [{"id": "context", "question": "Where was it?"}, {"id": "tools", "question": "With what?"}]}


def told(operation: str, pieces: list[str | None], permitted: Callable[[str], bool] = lambda _: True) -> list[Delta]:
    deltas: list[Delta] = []
    teller = Teller(operation, deltas.append, permitted)
    for piece in pieces:
        teller(piece)
    return deltas


def shown(deltas: list[Delta]) -> dict[str, str]:
    """What a reader has before them at the end."""
    fields: dict[str, str] = {}
    for delta in deltas:
        if delta.field:
            fields[delta.field] = fields.get(delta.field, "") + delta.text
        else:
            fields.clear()
    return fields


@given(st.data())
def test_however_a_reply_is_cut_into_pieces_its_texts_come_whole(data: st.DataObject) -> None:
    text = json.dumps(PROMPTS)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert shown(told("write_prompts", list(pieces))) == {
        "prompts.0.question": "Where was it?",
        "prompts.1.question": "With what?",
    }


def test_a_prompt_is_told_while_it_is_being_written() -> None:
    assert shown(told("write_prompts", ['{"prompts": [{"id": "context", "question": "Where'])) == {
        "prompts.0.question": "Where"
    }


def test_a_text_of_an_answer_is_told_only_once_it_is_whole() -> None:
    deltas = told("write_answer", ['{"title": "Helm charts", "bullets": [{"kind": "build", "text": "Moved five serv'])
    assert shown(deltas) == {"title": "Helm charts"}


def test_nothing_is_told_after_a_text_that_is_not_permitted() -> None:
    deltas = told("write_answer", list(json.dumps(ANSWER)), lambda text: "five" not in text)
    assert shown(deltas) == {"title": "Helm charts"}


def test_what_begins_anew_takes_back_what_was_told() -> None:
    deltas = told("write_answer", ['{"title": "Helm charts",', None, '{"title": "Charts",'])
    assert [(delta.field, delta.text) for delta in deltas] == [("title", "Helm charts"), ("", ""), ("title", "Charts")]


def test_a_reply_of_which_nothing_was_told_takes_nothing_back() -> None:
    assert told("write_answer", ['{"tit', None]) == []


@pytest.mark.parametrize("reply", ["no JSON at all", '{"prompts": 7}', '["prompts"]', '{"prompts": [{"question": 7}]}'])
def test_a_reply_of_another_shape_tells_nothing(reply: str) -> None:
    assert told("write_prompts", [reply]) == []


async def test_deltas_travel_before_the_result() -> None:
    async def work(heard: Heard) -> int:
        heard(Delta(operation="write_answer", field="title", text="a"))
        heard(Delta(operation="write_answer", field="title", text="b"))
        return 7

    came = [one async for one in streamed(work)]
    assert [one.deltas[-1].text for one in came[:-1] if isinstance(one, Told)] == ["b"]
    assert came[-1] == 7


async def test_an_error_of_the_work_ends_the_stream() -> None:
    async def work(heard: Heard) -> int:
        heard(Delta(operation="write_answer", field="title", text="a"))
        raise WorkUnavailable

    stream = streamed(work)
    assert isinstance(await anext(stream), Told)
    with pytest.raises(WorkUnavailable):
        await anext(stream)


async def test_work_that_nobody_listens_to_any_more_is_stopped() -> None:
    stopped = asyncio.Event()

    async def work(heard: Heard) -> int:
        heard(Delta(operation="write_answer", field="title", text="a"))
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return 7

    stream = streamed(work)
    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(stopped.wait(), 5)


def test_nobody_is_watching_until_somebody_comes_and_soon_after_they_left() -> None:
    telling = Telling()
    assert not telling.watched(0)
    with telling.watching(lambda: 1_000):
        assert telling.watched(0)
    assert telling.watched(1_000 + ATTENTION_MS - 1)
    assert not telling.watched(1_000 + ATTENTION_MS)


def test_a_watcher_gets_each_piece_once() -> None:
    telling = Telling()
    telling.tell("q1", Delta(operation="write_answer", field="title", text="a"))
    first, heard = telling.after(0)
    telling.tell("q1", Delta(operation="write_answer", field="title", text="b"))
    second, heard = telling.after(heard)
    assert [piece.delta.text for piece in (*first, *second)] == ["", "a", "b"]
    assert telling.after(heard) == ((), 2)


def test_a_new_watcher_is_told_to_forget_before_it_is_told_what_is_under_way() -> None:
    telling = Telling()
    telling.tell("q1", Delta(operation="write_answer", field="title", text="a"))
    pieces, _ = telling.after(0)
    assert [(piece.delta.field, piece.delta.text) for piece in pieces] == [("", ""), ("title", "a")]


def test_committed_work_is_told_no_more() -> None:
    telling = Telling()
    for question in ("q1", "q2"):
        telling.tell(question, Delta(operation="write_answer", field="title", text=question))
    telling.end("q1")
    assert {piece.question_id for piece in telling.after(0)[0]} == {"q2"}


def test_a_watcher_of_an_earlier_owner_starts_over() -> None:
    telling = Telling()
    telling.tell("q1", Delta(operation="write_answer", field="title", text="a"))
    assert telling.after(57) == telling.after(0)


def test_who_comes_late_or_falls_behind_is_told_every_text_from_its_beginning() -> None:
    telling = Telling()
    for number in range(MAX_PIECES + 10):
        telling.tell("q1", Delta(operation="write_answer", field="title", text=f"{number} "))
    whole = "".join(f"{number} " for number in range(MAX_PIECES + 10))
    for heard in (0, 1, 9):
        pieces, now = telling.after(heard)
        assert [(piece.delta.field, piece.delta.text) for piece in pieces] == [("", ""), ("title", whole)]
        assert now == MAX_PIECES + 10
    assert len(telling.after(10)[0]) == MAX_PIECES


def test_what_was_taken_back_is_not_told_to_who_comes_later() -> None:
    telling = Telling()
    telling.tell("q1", Delta(operation="write_answer", field="title", text="first"))
    telling.tell("q1", Delta(operation="write_answer"))
    telling.tell("q1", Delta(operation="write_answer", field="title", text="second"))
    assert [piece.delta.text for piece in telling.after(0)[0]] == ["", "second"]


def test_work_delivered_again_takes_back_what_its_first_delivery_told() -> None:
    deltas: list[Delta] = []
    hearing = Retold(deltas.append)
    hearing.begin()
    hearing(Delta(operation="write_prompts", field="prompts.0.question", text="Where?"))
    hearing.begin()
    hearing(Delta(operation="write_prompts", field="prompts.0.question", text="Where?"))
    assert shown(deltas) == {"prompts.0.question": "Where?"}
    hearing.begin()
    assert shown(deltas) == {}


def test_characters_that_nobody_sees_are_told_as_they_are_committed() -> None:
    reply = json.dumps({"prompts": [{"id": "context", "question": "Where\x07 did \U000e0041you?"}]})
    assert shown(told("write_prompts", list(reply))) == {"prompts.0.question": "Where  did  you?"}
