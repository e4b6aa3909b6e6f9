"""The model: gives what an operation's schema asks for, out of the words of the request itself.

It reads tags and copies words. Nothing that it writes about a candidate comes from anywhere but the inputs (or
the CV where there are none), unless it is told to invent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loadtests.provider_stub.calls import Generation, Operation
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.draws import Draws
from loadtests.provider_stub.reading import answer_texts, block, cv_lines, inputs, job_lines, limit, words
from loadtests.provider_stub.recognition import filled

Fields = dict[str, Any]

PLAIN_TEXT = "This is what a model would say."
MAX_GAPS = 10
MAX_BULLET_WORDS = 40
MAX_CLAIMS = 4
MAX_ADVICE = 3
MAX_TITLE_WORDS = 10
ENOUGH = 7.0
"""A criterion below it gets an issue and a suggestion."""

_MARK = re.compile(r"[-•*–·]\s+")
_ASKING = ("need", "requir", "look for", "looking for", "essential", "nice", "must", "qualif", "skill", "desirable")
_SKILL = re.compile(r"(?<=\s)[A-Z][\w+#]*(?:\.\w+)?")
_SENTENCES = re.compile(r"(?<=[.!?;])\s+")
_PRIORITIES = (
    ("must", "CRITICAL"),
    ("requir", "HIGH"),
    ("essential", "HIGH"),
    ("nice", "NICE_TO_HAVE"),
    ("plus", "NICE_TO_HAVE"),
    ("prefer", "MEDIUM"),
    ("desirable", "MEDIUM"),
)
_KINDS = ("build", "engineer", "impact")
_KIND_HINTS: Mapping[str, tuple[str, ...]] = {
    "impact": ("metric", "impact", "outcome", "result", "evidence"),
    "engineer": ("tool", "method", "tech", "stack", "duration"),
}
_CRITERIA = ("specificity", "evidence", "professional_language", "relevance")
_EMPLOYERS = ("Vandelay Industries Ltd", "Initrode Group", "Pendant Publishing Inc", "Globochem Corporation")


def reply_fields(asked: Generation, config: StubConfig, draws: Draws) -> tuple[Any, bool]:
    """The reply before it is written as JSON, and whether it invents something. A call without a schema gets a text."""
    match asked.operation:
        case Operation.WRITE_ANSWER | Operation.REFINE_ANSWER:
            answer = _answer(asked.told)
            invents = bool(config.inventing_share) and draws.uniform("inventing") < config.inventing_share
            if invents:
                answer["bullets"][-1]["text"] += _invention(asked.told, draws)
            return answer, invents
        case Operation.EVALUATE_ANSWER:
            return _judgement(asked.told, _scores(config, draws)), False
        case Operation.OTHER:
            return PLAIN_TEXT if asked.schema is None else filled(asked.schema), False
        case operation:
            return _WRITERS[operation](asked.told), False


def _gaps(told: str) -> Fields:
    cv = block(told, "cv").casefold()
    found: dict[str, Fields] = {}
    most = limit(told, MAX_GAPS)
    for heading, asks in _asked(job_lines(told)):
        title = " ".join(asks.split()[:8]).rstrip(".,;:")
        key = title.casefold()
        if title and not asks.endswith(":") and key not in found and key not in cv and len(found) < most:
            found[key] = _gap(f"g{len(found) + 1}", title, asks, heading)
    return {"gaps": list(found.values())}


def _asked(lines: list[str]) -> list[tuple[str, str]]:
    """(heading, line): the list items under headings that ask for something, else all items, else all sentences."""
    items, heading = [], ""
    for line in lines:
        if mark := _MARK.match(line):
            items.append((heading, line[mark.end() :]))
        else:
            heading = line.casefold()
    asking = [(above, item) for above, item in items if any(hint in above for hint in _ASKING)]
    return asking or items or [("", line) for line in lines if line.count(" ") > 1]


def _gap(id_: str, title: str, asks: str, heading: str) -> Fields:
    lower = f"{asks.casefold()} {heading}"
    return {
        "id": id_,
        "title": title,
        "description": f"The job asks for this and the CV does not show it: {asks}",
        "priority": next((priority for hint, priority in _PRIORITIES if hint in lower), "IMPORTANT"),
        "cv_shows": "Nothing in the CV names it.",
        "job_asks": asks,
        "impact": "Without it the application leaves a requirement of the job open.",
        "addressability": "time_dependent" if "years" in lower else "learnable",
        "skills": list(dict.fromkeys(_SKILL.findall(asks)))[:3],
    }


def _gap_title(told: str) -> str:
    return words(block(block(told, "gap"), "title")) or "what the job asks for"


def _question(told: str) -> Fields:
    return {
        "text": f"Have you done anything that shows this, at work or elsewhere: {_gap_title(told)}?",
        "why": "The job asks for it and the CV does not show it yet.",
        "answer_type": "both",
        "minutes": 3,
    }


def _prompts(told: str) -> Fields:
    title = _gap_title(told)
    settings = ["Work", "Side Project", "Online Course", "Hackathon", "Personal Learning"]
    return {
        "prompts": [
            _prompt("context", "select", f"Where did you come by this: {title}?", options=settings, required=True),
            _prompt("duration", "text", "For how long, and when?"),
            _prompt("tools", "text", "Which tools and methods did you use?"),
            _prompt("achievement", "textarea", "What did you do yourself, step by step?", required=True),
            _prompt("metrics", "text", "What came of it, in figures where you know them?"),
        ]
    }


def _prompt(id_: str, type_: str, question: str, *, options: list[str] | None = None, required: bool = False) -> Fields:
    return {
        "id": id_,
        "type": type_,
        "question": question,
        "options": options or [],
        "placeholder": "",
        "required": required,
        "help": "Only what is true; leave out what you do not know.",
    }


def _answer(told: str) -> Fields:
    pieces: dict[str, list[tuple[str, str]]] = {kind: [] for kind in _KINDS}
    for name, value in inputs(told):
        pieces[_kind_of(name)].append((f"input:{name}", value))
    everything = [piece for kind in _KINDS for piece in pieces[kind]]
    spare = _parts(max(everything, key=lambda piece: len(piece[1]))) if everything else _from_cv(told)
    for place, kind in enumerate(_KINDS):
        pieces[kind] = pieces[kind] or [spare[min(place, len(spare) - 1)]]
    head = pieces["engineer"][0][1].split()[:MAX_TITLE_WORDS]
    return {
        "title": " ".join(head).rstrip(".,;:"),
        "bullets": [_bullet(kind, pieces[kind]) for kind in _KINDS],
    }


def _kind_of(input_id: str) -> str:
    return next((kind for kind, hints in _KIND_HINTS.items() if any(hint in input_id for hint in hints)), "build")


def _parts(piece: tuple[str, str]) -> list[tuple[str, str]]:
    """The sentences of a piece, each with its source."""
    source, text = piece
    return [(source, sentence) for sentence in _SENTENCES.split(text)]


def _from_cv(told: str) -> list[tuple[str, str]]:
    return [(f"cv:{number}", line) for number, line in cv_lines(told)[:3]] or [("cv:1", "Not yet told")]


def _bullet(kind: str, pieces: list[tuple[str, str]]) -> Fields:
    claims, left = [], MAX_BULLET_WORDS
    for source, text in pieces[:MAX_CLAIMS]:
        said = text.split()[:left]
        left -= len(said)
        claim = " ".join(said).rstrip(".;") or text
        if said:
            claims.append({"text": claim, "source": source})
    return {"kind": kind, "text": "; ".join(claim["text"] for claim in claims) + ".", "claims": claims}


def _invention(told: str, draws: Draws) -> str:
    """A figure and an employer that the request does not hold."""
    figure = 11 + int(draws.uniform("figure") * 80)
    while str(figure) in told:
        figure += 7
    employer = next((name for name in _EMPLOYERS if name not in told), f"{_EMPLOYERS[0]} {figure}")
    return f" Cut costs by {figure} % at {employer}."


def _scores(config: StubConfig, draws: Draws) -> Iterator[float]:
    spread = config.score_high - config.score_low
    for criterion in _CRITERIA:
        yield round(config.score_low + spread * draws.uniform(criterion), 1) if spread else config.score_low


def _judgement(told: str, scores: Iterator[float]) -> Fields:
    texts = answer_texts(told)
    scored = dict(zip(_CRITERIA, scores, strict=True))
    weak = [name for name, score in scored.items() if score < ENOUGH]
    return {
        "criteria": [
            {
                "name": name,
                "quote": " ".join(texts[place % len(texts)].split()[:10]),
                "reason": "The words quoted leave it open." if name in weak else "The words quoted carry it.",
                "score": score,
            }
            for place, (name, score) in enumerate(scored.items())
        ],
        "issues": [
            {"label": name, "description": "Too little is told for a higher score."} for name in weak[:MAX_ADVICE]
        ],
        "strengths": [{"label": name, "description": "It is told plainly."} for name in scored if name not in weak][:2],
        "suggestions": [
            {
                "type": name,
                "title": f"What can you add for {name.replace('_', ' ')}?",
                "examples": ["a result you saw yourself"],
                "help": "It would show what you did and what came of it.",
            }
            for name in weak[:MAX_ADVICE]
        ],
    }


_WRITERS: Mapping[Operation, Callable[[str], Fields]] = {
    Operation.FIND_GAPS: _gaps,
    Operation.WRITE_QUESTION: _question,
    Operation.WRITE_PROMPTS: _prompts,
}
