"""Resume style: no first person, no filler, the deed first."""

from __future__ import annotations

import re
from collections.abc import Iterable

from actors.grounding.vocabulary import any_of, words_of
from actors.offline.markers import FILLER
from actors.offline.sentences import sentences

MAX_TRAILED_WORDS = 12
"""After a longer deed its time or place would be read as part of the last words; it goes in front."""

_FIRST_PERSON_START = re.compile(r"(?:[^,;.!?]{0,70}\s)?(?:I|we)(?:['’]ve)?\s", re.IGNORECASE)
_PAST = {
    "done": "did", "taken": "took", "given": "gave", "written": "wrote", "run": "ran", "begun": "began",
    "seen": "saw", "known": "knew", "shown": "showed", "grown": "grew", "driven": "drove", "spoken": "spoke",
    "gone": "went", "chosen": "chose", "come": "came", "become": "became", "drawn": "drew", "fallen": "fell",
}  # fmt: skip
_PARTICIPLES = {
    "did": "doing", "took": "taking", "gave": "giving", "wrote": "writing", "ran": "running", "began": "beginning",
    "saw": "seeing", "knew": "knowing", "grew": "growing", "drove": "driving", "spoke": "speaking", "went": "going",
    "chose": "choosing", "came": "coming", "became": "becoming", "drew": "drawing", "fell": "falling",
    "built": "building", "made": "making", "led": "leading", "kept": "keeping", "set": "setting", "put": "putting",
    "sent": "sending", "taught": "teaching", "brought": "bringing", "held": "holding", "met": "meeting",
    "sold": "selling", "found": "finding", "left": "leaving", "cut": "cutting", "had": "having", "got": "getting",
}  # fmt: skip
_PERFECT_OF = {past: perfect for perfect, past in _PAST.items()}
DEED = rf"(?:\w{{2,}}ed|{any_of(_PARTICIPLES)})"
"""A pattern for a verb that tells what was done."""

_KIN = r"(?:grand)?(?:mother|father)|wife|husband|brother|sister|son|daughter"
_ACQUAINTED = r"friends?|colleagues?|partners?|neighbours?|flatmates?|classmates?"
_WHO = (
    r"(?:(?:my|our|the|an?|one|two|three|four|some) (?:\w+ ){0,2}"
    rf"(?:{_KIN}|{_ACQUAINTED}|boss|lead|head|nurses?|clerks?|team|others|\w+(?:er|or|ist|ian|ant)s?)"
    r"|(?-i:[A-Z][a-z]+))"
)
_OWN_SUBJECT = re.compile(rf"(?:(?:and|so|but|also|then|well|yes|yeah),?\s+)?(?:I|we|{DEED})\b", re.IGNORECASE)

# Where and with whom, told ahead of the deed.
_WHERE = (
    r"(?:(?:afterwards|later)\b|(?:at|in|on|over|for|during|from|before|after|since|last|every|each|throughout|within"
    r"|when|while)\s(?!(?:I|we)\s\w+,))[^,;.!?]{0,70}?"
)
_LEAD = re.compile(
    rf"(?P<lead>{_WHERE})(?<!\band)(?<!\bbut)(?<!\bso)(?<!\bor)(?<!\bthat)(?<!\bwhich)(?<!\bbecause),?"
    r"\s+(?:I|we)(?P<rest>\s(?!\w+ (?:I|we)\b).+)",
    re.IGNORECASE | re.DOTALL,
)
_COMPANY = re.compile(
    rf"(?:(?P<lead>{_WHERE}),?\s)?(?:(?:me|I) and (?P<after>{_WHO})|(?P<before>{_WHO}) and (?:I|me))(?P<rest>\s.+)",
    re.IGNORECASE | re.DOTALL,
)
_NEXT_DEED = re.compile(rf",\s(?=(?:\w{{3,}}ing|{DEED})\s(?!and\b|or\b))")
_DONE_TO_ME = re.compile(
    r"(?P<by>(?:my|our|the|an?|one|two|three)\s(?:(?!and\b|who\b|that\b|was\b|were\b|had\b|has\b)[\w'’-]+ ){1,4})"
    r"(?P<verb>\w{2,}ed|taught|sent|chosen) me\b(?P<particle> (?:off|up|on|in|over|back)\b)?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)

_CONTRACTED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), put)
    for pattern, put in (
        (r"\b(I)['’]m\b", r"\1 am"),
        (r"\b(we)['’]re\b", r"\1 are"),
        (r"\b(I|we)['’]ve\b", r"\1 have"),
        (r"\b(I|we)['’]ll\b", r"\1 will"),
        (rf"\b(I|we)['’]d(?= (?:been|{DEED}|{any_of(_PAST)})\b)", r"\1 had"),
        (r"\b(I|we)['’]d\b", r"\1 would"),
    )
)
_ARTICLE = r"(?:(?:an?|the)\s(?!only|first|last|one\b))?"
_PERFECT = re.compile(r"(?:I|we) (?:have|had)\s", re.IGNORECASE)
_STARTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), put)
    for pattern, put in (
        (r"^(?:and|so|but|also|then|well|yes|yeah),?\s+(?=(?:I|we|it|my|our)\b)", ""),
        (r"^the part (?:about|with) (.{1,60}?) (?:was|is) (?:the )?(?:closest|nearest)(?: to \w+)?:\s", r"\1: "),
        (r"^(?:using|by means of)\s+(?=\w)", "Used "),
        (r"^(?:(?:it|this|that|which) (?:meant|means)(?: that)?|so that|resulting in) we(?=\s)", "the team"),
        (r"^(?:so that|which (?:meant|means)(?: that)?|resulting in|and then|and now|and|then|which|so)\s+", ""),
        (r"^(?:it|this|that) (?=(?:meant|means) )", ""),
        (r"^(?:meant|means) (?:that )?", ""),
        (r"^(?:it|this|that) (?=(?:saved?|made|cut|reduced|improved|helped|gave|led|let|brought|raised|went)\b)", ""),
        (rf"^(?:I|we) (?:have|had) been {_ARTICLE}", ""),
        (r"^(?:I|we) (?:have|had) (?:also )?(?=(?:\w+(?:ed|en|t|n|ne|un)|never)\b)", ""),
        (rf"^(?:I|we) (?:was|were|am|are) {_ARTICLE}(?=\w)", ""),
        (r"^(?:I|we) (?:also |then )?(?=\w)", ""),
    )
)
_IMPERSONAL: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"(?i)\bby (?:myself|ourselves)\b", "alone"),
        (r"(?i)\s+(?:myself|ourselves)\b", ""),
        (rf"(?i)\bmy (?:{_KIN})\b", "a family member"),
        (r"(?i)\bmy (?:grand)?parents\b(?P<whose>['’])?", r"the family\g<whose>"),
        (r"(?i)\bthe family(['’])(?!s)", r"the family\1s"),
        (rf"(?i)\bmy (?=(?:{_ACQUAINTED})\b(?<!s))", "a "),
        (r"(?i)\b(?:my|our) (?=family\b)", ""),
        (r"(?i)\ball (?:my|our) li(?:fe|ves)\b", "since childhood"),
        (r"(?i)\bon (?:my|our) own\b", "alone"),
        (r"(?i)\b(?:my|our) (?=own\b)", ""),
        (r"\b(?:My|Our)\b", "The"),
        (r"\b(?:my|our)\b", "the"),
        (r" for me\b", ""),
        (r"\bus\b", "the team"),
        (r"\bwe(?=\s)", "the team"),
        (r"\bWe(?=\s)", "The team"),
    )
)
_AND_I = re.compile(
    r",?\s(?P<joint>(?:and|but|or|so)(?P<next> then)?|then)\s(?:I|we)(?: have| had)?\s(?=[a-z])", re.IGNORECASE
)
_COMMA_I = re.compile(r"[;,]\s+(?:I|we|We)\s+(?=[a-z])")
_COLON_I = re.compile(r":\s+(?:I|We|we)\s+(?=[a-z])")
_WHEN_I = re.compile(
    rf"\b(?P<when>when|while|after|before) (?:I|we) (?:(?:was|were|am|are)\s(?=\w)|(?P<deed>{DEED})\b)", re.IGNORECASE
)
_THAT_I = re.compile(
    r"(?P<what>(?:\b(?:the|an?|my|our|this|that) (?:[\w-]+ ){1,3}?|(?<=,) )(?:which|that)) (?:I|we) "
    rf"(?:(?:have|had) )?(?P<deed>{DEED})\b(?! (?:the|an?|my|our|to|it|them|him|her|more|\d))",
    re.IGNORECASE,
)
_LOWERABLE = frozenset(
    words_of(
        """about after afterwards as at before carried during every for from helped in last later level native on
        over since some the throughout until used valid when while within with"""
    )
)


def resume_style(sentence: str) -> str:
    """'I think I built a cluster.' -> 'Built a cluster': no first person, no filler, no final stop."""
    text = _put(_CONTRACTED, FILLER.sub("", " ".join(sentence.split()))).strip(" -•*")
    if lead := _LEAD.fullmatch(text):
        text = _placed(_deed(f"I{lead['rest']}"), lower_first(_without_us(lead["lead"])))
    elif company := _COMPANY.fullmatch(text):
        who = _without_us(_inside(company["before"] or company["after"]))
        where = lower_first(_without_us(company["lead"] or ""))
        text = _placed(_deed(f"I{company['rest']}"), f"with {who} {where}".strip())
    else:
        text = _deed(text)
    return upper_first(text) or sentence.strip()


def plain_fact(text: str) -> str:
    """A fact as part of a sentence: one line, no first person, no final stop."""
    cut = (FILLER.sub("", " ".join(part.split())) for part in sentences(text))
    parts = [part.replace(";", ",").strip(" .,:!-•*") for part in cut]
    plain = ", ".join(part if place == 0 else lower_first(part) for place, part in enumerate(filter(None, parts)))
    return _put(_IMPERSONAL, plain) or " ".join(text.split())


def tells_own_deed(sentence: str) -> bool:
    """Whether the candidate is its subject, named ('I', 'we') or left out."""
    return bool(_FIRST_PERSON_START.match(sentence) or _OWN_SUBJECT.match(sentence))


def upper_first(text: str) -> str:
    """With a capital in front, unless the first word has its own spelling ('iOS', 'k3s')."""
    first = text.split(" ", 1)[0]
    plain = first.islower() and first.isascii()
    return text[:1].upper() + text[1:] if plain and not any(char.isdigit() for char in first) else text


def lower_first(text: str) -> str:
    """Without the capital of a small word in front; other words may be names."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first.istitle() and first.lower() in _LOWERABLE else text


def _deed(text: str) -> str:
    """One sentence about the candidate or about something else, without I and we."""
    if told := _DONE_TO_ME.fullmatch(text):
        text = f"{told['verb']}{told['particle'] or ''} by {_inside(told['by'])}{told['rest']}"
    perfect = _PERFECT.match(text)
    own = _OWN_SUBJECT.match(text)
    for pattern, put in _STARTS:
        text = pattern.sub(put, text, count=1)
    text = _AND_I.sub(r" \g<joint> " if own else _after_another, text)
    text = _COLON_I.sub(": ", _COMMA_I.sub(", " if own else "; ", text))
    text = _without_us(text).rstrip(" .!;,:")
    if perfect:
        first, _, rest = text.partition(" ")
        text = f"{_PAST.get(first.lower(), first)} {rest}".strip()
    return text


def _without_us(text: str) -> str:
    """Without I and we as the subject of a subordinate clause, without my and our."""
    return _put(_IMPERSONAL, _THAT_I.sub(_done_by_me, _WHEN_I.sub(_when_doing, text)))


def _inside(subject: str) -> str:
    """A subject with its article or number as it stands inside a sentence; a lone word is a name."""
    return subject if " " not in subject.strip() else f"{subject[0].lower()}{subject[1:].strip()}"


def _after_another(joint: re.Match[str]) -> str:
    """Where somebody else was the subject before, a new clause begins: 'and wrote' would be said of them."""
    return "; then " if joint["next"] or joint["joint"].lower() == "then" else "; "


def _when_doing(clause: re.Match[str]) -> str:
    """'when I wrote' -> 'when writing', 'while I was on shift' -> 'while on shift'."""
    return f"{clause['when']} {_participle(clause['deed'])}" if clause["deed"] else f"{clause['when']} "


def _done_by_me(clause: re.Match[str]) -> str:
    """'the rota that I wrote' -> 'the rota written'."""
    what, deed = clause["what"].rpartition(" ")[0], clause["deed"].lower()
    return f"{what} {_PERFECT_OF.get(deed, deed)}"


def _participle(past: str) -> str:
    known = _PARTICIPLES.get(past.lower())
    if known or not past.endswith("ed"):
        return known or past
    stem = past[:-1] if past.endswith("eed") else past[:-2]
    return f"{stem[:-1]}ying" if stem.endswith("i") else f"{stem}ing"


def _placed(deed: str, where: str) -> str:
    """The deed with its time, place or company where they cannot be read as part of something else."""
    if " " not in where:
        return f"{where} {deed}"
    following = _NEXT_DEED.search(deed)
    if following and " " in deed[: following.start()]:
        return f"{deed[: following.start()]} {where}{deed[following.start() :]}"
    return f"{where}, {deed}" if len(deed.split()) > MAX_TRAILED_WORDS else f"{deed} {where}"


def _put(rules: Iterable[tuple[re.Pattern[str], str]], text: str) -> str:
    for pattern, put in rules:
        text = pattern.sub(put, text)
    return text
