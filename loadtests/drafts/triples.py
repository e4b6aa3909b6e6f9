"""The triples that drafts are made of: what a candidate typed, the CV, and true answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from actors.grounding import said
from actors.grounding.sourcing import with_quotes
from state.model import Answer, Bullet, BulletKind, Claim, Document, Inputs

Segments = tuple[tuple[str, str], ...]
"""The parts of a bullet, each as (source, text); one claim comes of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """An answer before it is put together: a title, and the segments of the three bullets."""

    title: str
    bullets: tuple[Segments, ...]

    def spots(self) -> Iterator[tuple[int, int]]:
        """(bullet, segment) of every segment."""
        for place, segments in enumerate(self.bullets):
            yield from ((place, number) for number in range(len(segments)))

    def text(self, spot: tuple[int, int]) -> str:
        return self.bullets[spot[0]][spot[1]][1]

    def with_text(self, spot: tuple[int, int], text: str) -> Wording:
        """This wording with other words in one segment."""
        place, number = spot
        source, _ = self.bullets[place][number]
        return self.with_segments(
            place, (*self.bullets[place][:number], (source, text), *self.bullets[place][number + 1 :])
        )

    def with_segments(self, place: int, segments: Segments) -> Wording:
        return Wording(title=self.title, bullets=(*self.bullets[:place], segments, *self.bullets[place + 1 :]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Triple:
    """`inflated` are (bullet, segment) pairs that say more than the sources do."""

    id: str
    field: str
    held_out: bool
    inputs: Inputs
    cv: Document
    wordings: tuple[Wording, ...]
    inflated: tuple[tuple[int, tuple[str, str]], ...]

    @property
    def told(self) -> str:
        """All that the sources say, in small letters."""
        return "\n".join([*map(said, self.inputs.values()), self.cv.text]).casefold()

    def answer(self, wording: Wording) -> Answer:
        """The wording as an answer: a claim for each segment, with its quote filled in from the source."""
        bullets = tuple(
            Bullet(
                kind=kind,
                text=" ".join(text for _, text in segments),
                claims=tuple(Claim(text=text, source=_source_id(source), quote="") for source, text in segments),
            )
            for kind, segments in zip(BulletKind, wording.bullets, strict=True)
        )
        return with_quotes(Answer(title=wording.title, bullets=bullets), self.inputs, self.cv)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An answer with the sources it is to be held to.

    `kind` is the kind of invention put in, or the kind of wording of a true draft; `put_in` are the words
    that were put in, empty for a true draft.
    """

    triple: Triple
    kind: str
    held_out: bool
    answer: Answer
    put_in: str = ""
    inputs: Inputs

    @property
    def cv(self) -> Document:
        return self.triple.cv


@cache
def load_triples() -> tuple[Triple, ...]:
    """All triples, those that the check was tuned on first."""
    return tuple(_triple(raw, held_out=name == "held_out") for name in ("tuned", "held_out") for raw in load_yaml(name))


def load_yaml(name: str) -> Any:
    """A file of `loadtests/drafts/data`."""
    text = (files("loadtests") / "drafts" / "data" / f"{name}.yaml").read_text("utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _triple(raw: dict[str, Any], *, held_out: bool) -> Triple:
    kinds = [kind.value for kind in BulletKind]
    wordings = tuple(
        Wording(title=answer["title"], bullets=tuple(_segments(answer[kind]) for kind in kinds))
        for answer in raw["answers"]
    )
    inflated = tuple(
        (kinds.index(entry.pop("by")), next(iter(entry.items()))) for entry in map(dict, raw.get("inflated", ()))
    )
    inputs = {name: str(value) for name, value in raw["inputs"].items()}
    cv = Document(text=raw["cv"])
    return Triple(
        id=raw["id"],
        field=raw["field"],
        held_out=held_out,
        inputs=inputs,
        cv=cv,
        wordings=wordings,
        inflated=inflated,
    )


def _segments(raw: Sequence[dict[str, str]]) -> Segments:
    return tuple((source, str(text)) for part in raw for source, text in part.items())


def _source_id(source: str) -> str:
    return source if ":" in source else f"input:{source}"
