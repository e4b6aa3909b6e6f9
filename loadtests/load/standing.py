"""What was acknowledged to a candidate, held against where the session stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtests.load.samples import Standing

FINISHED = frozenset({"SKIPPED", "LEARNING", "ACCEPTED", "BEST_EFFORT"})
_HOW_FAR = {"ASKED": 0, "PROMPTING": 0, "SEARCHING": 0, "PROMPTED": 1, "DRAFTING": 1}
_FURTHEST = 9


def standing_of(session: Mapping[str, Any]) -> Standing:
    return {question["id"]: (question["step"], question["refinements"]) for question in session["questions"]}


def lost(acknowledged: Standing, found: Standing) -> list[str]:
    """The questions that stand before what was acknowledged, or have ended otherwise.

    Further on is no loss: a reply whose acknowledgement never arrived may have been taken.
    """
    return [question for question, told in acknowledged.items() if _is_lost(told, found.get(question))]


def _is_lost(told: tuple[str, int], now: tuple[str, int] | None) -> bool:
    if now is None:
        return True
    if told[0] in FINISHED:
        return now[0] != told[0]
    return _how_far(*now) < _how_far(*told)


def _how_far(step: str, refinements: int) -> int:
    if step in FINISHED:
        return _FURTHEST
    return _HOW_FAR.get(step, 2 + refinements)
