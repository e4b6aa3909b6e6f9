"""Tools, setting, duration and terms, worded as one sentence: 'Used kind and Helm at work over 3 months'."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from actors.grounding.dates import MONTH
from actors.grounding.vocabulary import any_of
from actors.offline.kinds import Kind
from actors.offline.markers import COUNT, TIME
from actors.offline.pieces import Piece, of_roles
from actors.offline.prompts import WORDINGS
from actors.offline.resume_style import DEED, lower_first, plain_fact, upper_first
from actors.offline.roles import Role
from state.model import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A sentence without its stop, and the claims that make it up, each a part of its text."""

    text: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How the replies to a kind's own questions are worded.

    `tools` opens the sentence where something was named, `bare` where not, `date` leads in to a bare date;
    `list_of` says whether commas part a list, `named` whether its members are names a title can hold.
    """

    tools: str = "Used"
    bare: str = "Carried out"
    date: str = "in"
    list_of: bool = True
    named: bool = True


_USUAL = _Manner()
_MANNERS: Mapping[str, _Manner] = {
    WORDINGS[kind].tools: manner
    for kind, manner in (
        (Kind.CERTIFICATION, _Manner(tools="Trained for", bare="Trained", list_of=False)),
        (Kind.LICENCE, _Manner(tools="Held", bare="Held", date="since", list_of=False)),
        (Kind.LANGUAGE, _Manner(tools="Used for", bare="Used", named=False)),
        (Kind.EDUCATION, _Manner(tools="Studied", bare="Studied")),
        (Kind.LOGISTICS, _Manner(tools="Relied on")),
    )
}
"""By the question asked for tools, which is the same for every gap of such a kind."""

OPENING = re.compile(
    rf"(?:Also used|{any_of({manner.tools for manner in (_USUAL, *_MANNERS.values())})})\s", re.IGNORECASE
)
"""What stands before the tools in the sentence made of them."""

_SETTINGS: Mapping[str, str] = {
    "work": "at work",
    "side project": "in a side project",
    "online course": "on an online course",
    "hackathon": "at a hackathon",
    "personal learning": "in personal learning",
    "volunteering": "in volunteering",
    "placement": "on placement",
    "studies": "during studies",
}
_LEADS_IN = r"(?:at|in|on|during|for|as|with|over|since|from|every|between|until|till|within|throughout|by)\b"
_AS_IT_STANDS = re.compile(
    rf"{_LEADS_IN}|(?:twice|once|always|still|now|currently|last|this|next|each|\w+ly)\b|.*\bago$", re.IGNORECASE
)
_YEAR = r"(?:19|20)\d\d"
_DATE = rf"(?:(?:early|mid|late)[ -])?(?:{MONTH}|spring|summer|autumn|fall|winter|\d\d?/{_YEAR}|{_YEAR})\b"
_DATED = re.compile(rf"{_DATE}(?:,? {_YEAR})?(?P<range>.{{0,12}}\b(?:to|until|till)\b|\s?[-–—]\s?\S)?", re.IGNORECASE)
_MEASURED = re.compile(
    rf"(?:about|around|nearly|almost|roughly|approximately|just|under|more than|less than|at least|up to)?\s*"
    rf"(?:[\d.,]+|{COUNT}|an?|half|some|several|many|most|all|the)\b",
    re.IGNORECASE,
)
_TERMS: Mapping[str, tuple[str, bool]] = {
    "scale": ("Scope:", False),
    "part": ("Own part:", False),
    "people": ("Involved:", False),
    "level": ("at level", True),
    "applied": ("for", True),
    "valid_until": ("Valid until", False),
    "availability": ("Available", False),
}
"""By prompt id: what leads in, and whether it becomes part of the sentence or one of its own."""


def facts_told(pieces: Sequence[Piece], questions: Mapping[str, str]) -> list[Statement]:
    """The facts as one sentence, and after it what has to stand alone."""
    manner = _MANNERS.get(questions.get("tools", ""), _USUAL)
    inside: list[tuple[Piece, str]] = []
    alone: list[tuple[Piece, str]] = []
    for piece in of_roles(pieces, Role.TERMS):
        lead, within = _TERMS.get(piece.prompt_id, ("", False))
        (inside if within and not _tells_a_deed(piece.quote) else alone).append((piece, lead))
    tools = [piece.claim(listed(plain_fact(piece.quote), manner.list_of)) for piece in of_roles(pieces, Role.TOOLS)]
    claims = [*tools, *(piece.claim(setting(piece.quote)) for piece in of_roles(pieces, Role.CONTEXT))]
    claims += [piece.claim(lasting(piece, manner.date)) for piece in _durations(pieces)]
    terms = [piece.claim(_led(lead, piece.quote)) for piece, lead in inside]
    told = [_opened(manner.tools if tools else manner.bare, claims, terms)] if claims or terms else []
    told += [_alone(piece, "" if _tells_a_deed(piece.quote) else lead) for piece, lead in alone]
    return [*told, *_beside(pieces)]


def names_told(pieces: Sequence[Piece], questions: Mapping[str, str]) -> list[str]:
    """The tools, methods or papers named, for a title."""
    manner = _MANNERS.get(questions.get("tools", ""), _USUAL)
    return [item for piece in of_roles(pieces, Role.TOOLS) for item in items(plain_fact(piece.quote)) if manner.named]


def setting(text: str) -> str:
    """'Side Project' -> 'in a side project'; other words as they are, in brackets if nothing leads in to them."""
    inner = plain_fact(text)
    known = _SETTINGS.get(inner.casefold())
    if known:
        return known
    return lower_first(inner) if re.match(_LEADS_IN, inner, re.IGNORECASE) else f"({inner})"


def lasting(piece: Piece, date: str = "in") -> str:
    """'3 months' -> 'over 3 months', 'May 2024' -> 'in May 2024'; `date` is what stands before a bare date."""
    text = lower_first(plain_fact(piece.quote))
    if numbered(piece) and not re.fullmatch(_YEAR, text):
        value, _, name = numbered(piece).partition(" ")
        return f"{name[:-1]}: {value})" if name else f"({value})"
    if re.match(r"(?:a while|ages)\b", text):
        return f"for {text}"
    if _AS_IT_STANDS.match(text):
        return text
    if dated := _DATED.match(text):
        spelled = re.sub(r"\s?[-–—]\s?", " to ", dated.group()) if dated["range"] else dated.group()
        return f"{'from' if dated['range'] else date} {spelled}{text[dated.end() :]}"
    if _MEASURED.match(text):
        return f"over {text}"
    return text if re.search(rf"\s{_LEADS_IN}", text) else f"({text})"


def numbered(piece: Piece) -> str:
    """A bare figure with the name of its prompt, '4 (beds per bay)'; '' for anything else."""
    name = piece.prompt_id.replace("_", " ")
    if not re.fullmatch(r"[\d.,]+", piece.quote):
        return ""
    return f"{piece.quote} ({name})" if re.fullmatch(r"[a-z ]+", name) else piece.quote


def items(text: str) -> list[str]:
    """The members of a list; a comma inside brackets does not part them."""
    return [item for part in re.split(r"[,;](?![^()]*\))|\s+and\s+(?=[^,]*$)", text) if (item := part.strip(" .-•*"))]


def listed(text: str, list_of: bool = True) -> str:
    """'a, b, c' -> 'a, b and c'; what is no list, or has its 'and', stays."""
    members = [member for part in re.split(r",(?![^()]*\))", text) if (member := part.strip())]
    if not list_of or len(members) < 2 or re.match(r"(?:and|or)\b", members[-1]) or " and " in members[-1]:
        return text
    joint = ", and" if " and " in text else " and"
    return f"{', '.join(members[:-1])}{joint} {members[-1]}"


def _durations(pieces: Sequence[Piece]) -> list[Piece]:
    """None that is vague where a time is told anywhere."""
    found = of_roles(pieces, Role.DURATION)
    timed = TIME.search(" ".join(piece.quote for piece in pieces))
    return [piece for piece in found if not (timed and piece.vague)]


def _opened(opening: str, claims: Sequence[Claim], terms: Sequence[Claim]) -> Statement:
    first, *others = (*claims, *terms)
    doubled = opening.endswith((" for", " on")) and re.match(_LEADS_IN, first.text, re.IGNORECASE)
    head = replace(first, text=f"{opening.partition(' ')[0] if doubled else opening} {first.text}")
    told = " ".join(claim.text for claim in (head, *others[: max(len(claims) - 1, 0)]))
    parts = (told, *(term.text for term in (terms if claims else terms[1:])))
    return Statement(text=", ".join(parts), claims=(head, *others))


def _alone(piece: Piece, lead: str) -> Statement:
    text = _led(lead, piece.quote)
    return Statement(text=upper_first(text), claims=(piece.claim(upper_first(text)),))


def _led(lead: str, quote: str) -> str:
    """The words with what leads in to them, unless they bring it themselves."""
    text = lower_first(re.sub(r"^It(?:['’]s| is)?\s", "", plain_fact(quote), flags=re.IGNORECASE))
    if text.casefold().startswith(("native", "mother tongue")):
        return f"at {text} level"
    last = lead.rpartition(" ")[2].casefold()
    brought = re.match(rf"(?:{last}|valid|available|no|not|does|it|never|for|to)\b", text, re.IGNORECASE)
    return text if brought or not lead else f"{lead} {text}"


def _tells_a_deed(text: str) -> bool:
    return re.match(rf"{DEED}\b", text, re.IGNORECASE) is not None


def _beside(pieces: Sequence[Piece]) -> Iterator[Statement]:
    """What else was used, without what is told elsewhere."""
    told = " ".join(piece.quote for piece in pieces if piece.role is not Role.BESIDE)
    for piece in of_roles(pieces, Role.BESIDE):
        others = [
            item
            for item in items(plain_fact(piece.quote))
            if not re.search(rf"(?<!\w){re.escape(item)}(?!\w)", told, re.IGNORECASE)
        ]
        if others:
            text = f"Also used {listed(', '.join(others))}"
            yield Statement(text=text, claims=(piece.claim(text),))
