"""Drafts with exactly one invention, put into a true answer."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

from loadtests.drafts.edits import EDITS
from loadtests.drafts.slots import Slots
from loadtests.drafts.triples import Draft, Triple, Wording, load_triples, load_yaml
from state.model import Answer, Document

HELD_OUT_EVERY = 3
"""Every third draft is of a held-out triple, and of a held-out phrase where its kind has phrases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Words to add at a `place`; a triple whose sources match `unless` would make them true."""

    place: str
    words: str
    unless: re.Pattern[str] | None

    @classmethod
    def of(cls, place: str, raw: str) -> Phrase:
        words, _, unless = raw.partition(" ~ " if " ~ " in raw else "~ ")
        words = f"{words.rstrip()} " if place == "title" else words.strip()
        return cls(place=place, words=words, unless=re.compile(unless.casefold()) if unless else None)


def adversarial_drafts(seed: int, count: int = 500) -> tuple[Draft, ...]:
    """`count` drafts, the kinds in turn, a third of them held out; the same seed gives the same drafts."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    makers: Mapping[bool, Iterator[Iterator[Draft]]] = {
        held_out: cycle([_made(kind, held_out, rng) for kind in _kinds(held_out)]) for held_out in (False, True)
    }
    drafts: list[Draft] = []
    while len(drafts) < count:
        held_out = len(drafts) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
        drafts += islice(next(makers[held_out]), 1)
    return tuple(drafts)


def _kinds(held_out: bool) -> Sequence[str]:
    return [*load_yaml("inventions"), *EDITS, "inflated", *_CLAIM_FAULTS]


def _made(kind: str, held_out: bool, rng: random.Random) -> Iterator[Draft]:
    """Endless drafts of one kind, over shuffled triples; nothing where the kind fits none."""
    triples = [triple for triple in load_triples() if triple.held_out is held_out]
    phrases = load_yaml("inventions").get(kind)
    if phrases:
        every = [
            Phrase.of(place, raw)
            for place, lines in phrases["held_out" if held_out else "tuned"].items()
            for raw in lines
        ]
        rng.shuffle(every)
        for phrase in cycle(every):
            yield _phrased(kind, phrase, triples, rng)
    elif kind in _CLAIM_FAULTS:
        while True:
            triple = rng.choice(triples)
            answer, words = _CLAIM_FAULTS[kind](triple.answer(rng.choice(triple.wordings)), triple.cv, rng)
            yield _draft(triple, kind, answer, words)
    else:
        changed = [found for triple in triples for found in _changed(kind, triple, rng)]
        rng.shuffle(changed)
        yield from cycle(changed)


def _phrased(kind: str, phrase: Phrase, triples: Sequence[Triple], rng: random.Random) -> Draft:
    fitting = [triple for triple in triples if not (phrase.unless and phrase.unless.search(triple.told))]
    for triple in rng.sample(fitting, len(fitting)):
        try:
            words = phrase.words.format_map(Slots(rng, triple.told))
        except ValueError:
            continue
        wording = _put_in(phrase.place, words, rng.choice(triple.wordings), rng)
        return _draft(triple, kind, triple.answer(wording), words)
    raise ValueError(f"No triple for {phrase.words!r}.")


def _put_in(place: str, words: str, wording: Wording, rng: random.Random) -> Wording:
    if place == "title":
        return replace(wording, title=words + wording.title)
    if place == "sentence":
        bullet = rng.randrange(3)
        source = wording.bullets[bullet][-1][0]
        return wording.with_segments(bullet, (*wording.bullets[bullet], (source, words)))
    spot = rng.choice([spot for spot in wording.spots() if wording.text(spot).endswith(".")])
    return wording.with_text(spot, f"{wording.text(spot)[:-1]}{_hinge(words)}{words}.")


def _hinge(words: str) -> str:
    """A comma where one belongs: not before 'and', 'in' and the like when nothing new begins."""
    return " " if words.startswith(("and ", "at ", "in ", "as ", "for ", "since ", "within ")) else ", "


def _changed(kind: str, triple: Triple, rng: random.Random) -> Iterator[Draft]:
    if kind == "inflated":
        for bullet, segment in triple.inflated:
            for wording in triple.wordings:
                inflated = wording.with_segments(bullet, (segment,))
                yield _draft(triple, kind, triple.answer(inflated), segment[1])
        return
    for wording in triple.wordings:
        for spot in wording.spots():
            for text, words in EDITS[kind](wording.text(spot), Slots(rng, triple.told), rng):
                yield _draft(triple, kind, triple.answer(wording.with_text(spot, text)), words)


def _draft(triple: Triple, kind: str, answer: Answer, words: str) -> Draft:
    return Draft(triple=triple, kind=kind, held_out=triple.held_out, answer=answer, put_in=words, inputs=triple.inputs)


def _unknown_source(answer: Answer, cv: Document, rng: random.Random) -> tuple[Answer, str]:
    source = rng.choice(("input:awards", "cv:97", "cv:0", "job:3", "input:", "gap", "cv:2-4", "answer:1"))
    return _with_claim(answer, rng, source=source), source


def _wrong_source(answer: Answer, cv: Document, rng: random.Random) -> tuple[Answer, str]:
    """A claim put on a line that has nothing to do with it: the candidate's name."""
    number, line = cv.lines()[0]
    return _with_claim(answer, rng, source=f"cv:{number}", quote=line), f"cv:{number}"


def _forged_quote(answer: Answer, cv: Document, rng: random.Random) -> tuple[Answer, str]:
    quote = rng.choice(("praised by the whole team", "led it alone", "40% better", "as agreed with my manager"))
    return _with_claim(answer, rng, quote=quote), quote


def _stray_claim(answer: Answer, cv: Document, rng: random.Random) -> tuple[Answer, str]:
    text = rng.choice(("Won a prize", "Ran the whole project", "Trained the staff", "Saved a day a week"))
    return _with_claim(answer, rng, text=text), text


_CLAIM_FAULTS: Mapping[str, Callable[[Answer, Document, random.Random], tuple[Answer, str]]] = {
    "unknown_source": _unknown_source,
    "wrong_source": _wrong_source,
    "forged_quote": _forged_quote,
    "stray_claim": _stray_claim,
}


def _with_claim(answer: Answer, rng: random.Random, **changes: str) -> Answer:
    place = rng.randrange(len(answer.bullets))
    bullet = answer.bullets[place]
    claims = (replace(bullet.claims[0], **changes), *bullet.claims[1:])
    bullets = (*answer.bullets[:place], replace(bullet, claims=claims), *answer.bullets[place + 1 :])
    return replace(answer, bullets=bullets)
