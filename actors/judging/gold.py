"""The gold set: short answers with three ratings each, as data, validated when it is loaded.

The rules of rating stand in docs/judging.md. The set has two halves with the same fields and the same
spread of quality: rules may be improved by looking at the development half, never at the held-out one.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from state.errors import RecordUnreadable
from state.messages import EvaluateAnswer, Origin
from state.model import Addressability, Answer, CriterionName, Document, Gap, Inputs, Priority
from state.workflow import THRESHOLDS, total

GOLD = Path(__file__).parent.parent / "data" / "gold"
Points = Annotated[int, Field(ge=1, le=10)]
Text = Annotated[str, Field(min_length=1)]


class Half(StrEnum):
    DEVELOPMENT = "development"
    HELD_OUT = "held_out"


class Rater(StrEnum):
    """The three stances of rating, told apart in docs/judging.md."""

    MANAGER = "manager"
    RECRUITER = "recruiter"
    EXPERT = "expert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One rater's points for the four criteria; the total and the verdict are computed."""

    rater: Rater
    specificity: Points
    evidence: Points
    professional_language: Points
    relevance: Points

    def points(self, name: CriterionName) -> int:
        return int(getattr(self, name.value))

    @property
    def total(self) -> float:
        """1 to 10, one decimal, weighted as every judge's."""
        return total({name: self.points(name) for name in CriterionName})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an item's field of work lends it: a short CV, and the title of the job."""

    cv: Text
    job: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One rated answer. `title` and `job_asks` are those of its gap."""

    id: Text
    field: Text
    priority: Priority
    title: Text
    skills: tuple[str, ...]
    job_asks: Text
    question: Text
    inputs: Inputs
    answer: Answer
    ratings: tuple[Rating, ...]

    @property
    def threshold(self) -> float:
        return THRESHOLDS[self.priority]

    def rating(self, rater: Rater) -> Rating:
        return next(rating for rating in self.ratings if rating.rater is rater)

    @property
    def rated_total(self) -> float:
        """The median of the raters' totals."""
        return statistics.median(rating.total for rating in self.ratings)

    def rated(self, name: CriterionName) -> float:
        """The median of the raters' points."""
        return statistics.median(rating.points(name) for rating in self.ratings)

    def request(self, setting: Setting, origin: Origin) -> EvaluateAnswer:
        """What a judge is asked; no rating is part of it."""
        gap = Gap(
            id="g1",
            title=self.title,
            description=self.job_asks,
            priority=self.priority,
            cv_shows="nothing of it",
            job_asks=self.job_asks,
            impact="",
            addressability=(
                Addressability.LOGISTICAL if self.priority is Priority.LOGISTICAL else Addressability.LEARNABLE
            ),
            skills=self.skills,
        )
        return EvaluateAnswer(
            gap=gap,
            question=self.question,
            answer=self.answer,
            inputs=self.inputs,
            round=1,
            threshold=self.threshold,
            cv=Document(text=setting.cv),
            job=Document(text=f"{setting.job}\nYou need:\n- {self.job_asks}"),
            origin=origin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """An item of the set with all of its text in another language, rated nowhere: it says the same."""

    item: Text
    language: Text
    title: Text
    skills: tuple[str, ...]
    job_asks: Text
    question: Text
    inputs: Inputs
    answer: Answer

    def of(self, item: Item) -> Item:
        """The item as this translation words it."""
        return replace(
            item,
            title=self.title,
            skills=self.skills,
            job_asks=self.job_asks,
            question=self.question,
            inputs=self.inputs,
            answer=self.answer,
        )


@dataclass(frozen=True, kw_only=True)
class GoldSet:
    """Items by half in the order of the files; `settings` by field."""

    halves: Mapping[Half, tuple[Item, ...]]
    translations: tuple[Translation, ...]
    settings: Mapping[str, Setting]

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for half in Half for item in self.halves[half])

    @cached_property
    def _half_of(self) -> Mapping[str, Half]:
        return {item.id: half for half, items in self.halves.items() for item in items}

    def half_of(self, item: Item) -> Half:
        return self._half_of[item.id]

    def request(self, item: Item, origin: Origin) -> EvaluateAnswer:
        return item.request(self.settings[item.field], origin)


def load(folder: Path = GOLD) -> GoldSet:
    """Raises `RecordUnreadable` naming the file, the line and the first field that are wrong."""
    gold = GoldSet(
        halves={half: tuple(_lines(folder / f"{half.value}.jsonl", _ITEM)) for half in Half},
        translations=tuple(_lines(folder / "translations.jsonl", _TRANSLATION)),
        settings=_read(folder / "fields.json", _SETTINGS),
    )
    ids = [item.id for item in gold.items]
    for wrong, what in (
        (
            [item.id for item in gold.items if sorted(one.rater for one in item.ratings) != sorted(Rater)],
            "each rater must rate once the item",
        ),
        ([one for one in ids if ids.count(one) > 1], "two items have the id"),
        ([item.id for item in gold.items if item.field not in gold.settings], "fields.json lacks the field of"),
        ([one.item for one in gold.translations if one.item not in ids], "there is no item to translate:"),
    ):
        if wrong:
            raise RecordUnreadable(f"{folder}: {what} {wrong[0]}.")
    return gold


def _lines(path: Path, adapter: TypeAdapter[Any]) -> Iterator[Any]:
    for number, line in enumerate(_bytes(path).splitlines(), 1):
        yield _validated(f"{path}:{number}", adapter, line)


def _read(path: Path, adapter: TypeAdapter[Any]) -> Any:
    return _validated(str(path), adapter, _bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordUnreadable(f"{path}: {error.strerror}.") from error


def _validated(where: str, adapter: TypeAdapter[Any], raw: bytes) -> Any:
    try:
        return adapter.validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RecordUnreadable(f"{where}: {field}: {first['msg']}.") from error


_ITEM = TypeAdapter(Item)
_TRANSLATION = TypeAdapter(Translation)
_SETTINGS = TypeAdapter(Mapping[str, Setting])
