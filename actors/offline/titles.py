"""Short titles for what a job asks, cut from the job's own words."""

from __future__ import annotations

import re

from actors.offline.kinds import NUMBER_WORDS, number_of

MAX_WORDS = 8
LEAD = re.compile(
    r"^(?:(?:an?|the|strong|solid|good|excellent|proven|current|valid|demonstra(?:ble|ted)|some|basic|working"
    r"|hands[- ]on|practical|relevant|previous|prior|extensive|deep|sound|confident|great|full|any|other"
    r"|ability to|able to|willing(?:ness)? to|capable of|you(?:['’]ll| will)? (?:have|are|need|must|can|hold|should|be)"
    r"|must|have|having|hold|be|to|in|at|our|your|their|and|with|of|for|as|is|experience|knowledge|understanding"
    r"|familiarity|familiar|proficien\w+|skilled|track record|exposure|background|comfortable|competent"
    r"|contributions?|minimum|least|ideally|preferably|essential|required|desirable|need(?:ed|s)?|we|us"
    r"|looking|someone|who|has|applicants|candidates|the candidate|also|plus)\b[\s,:]*)+",
    re.IGNORECASE,
)
TRAIL = re.compile(
    r"[\s,]*(?:\b(?:(?:is|are|would be|will be) (?:an? )?\w+(?: \w+)?|an? (?:plus|bonus|advantage|must)|required"
    r"|essential|preferred|desirable|desired|experience|knowledge|skills?|or (?:similar|equivalent)|needed|and|or"
    r"|in|of|for|with|the|a|an|to)\b[\s,.]*)+$",
    re.IGNORECASE,
)
STOP_AT = re.compile(r"[:;(,]|\. |\.$| [–—] | - ")
HINGE = re.compile(
    r" (?:with|for|in|at|as|within|across|using|including|such as|on|to|by|from|when|where|so|because|while|of)\b"
)


def head(text: str) -> str:
    """The core of a requirement's line: without lead-in, cues and what follows the first clause."""
    stripped = LEAD.sub("", text.strip(" *_-"), count=1) or text
    core = TRAIL.sub("", STOP_AT.split(stripped, maxsplit=1)[0]).strip()
    core = core or stripped.strip()
    words = core.split()
    if len(words) > MAX_WORDS:
        core = _shortened(core)
    return capital(core.strip(" *_.,;:-"))


def capital(text: str) -> str:
    """With a capital in front, unless the first word has its own spelling ('iOS', 'e-commerce')."""
    text = " ".join(text.split())[:120]
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.islower() else text


def title_of_years(text: str, found: re.Match[str]) -> str:
    """'Five years of post-registration experience in an acute hospital', from where the years stand."""
    number = number_of(found["number"]) + (0.5 if found["half"] else 0)
    whole = number.is_integer() and number < len(NUMBER_WORDS)
    spelled = NUMBER_WORDS[int(number)].capitalize() if whole else f"{number:g}"
    unit = "year" if number == 1 else "years"
    subject = re.sub(r"^\W*(?:of|in|as)\s+", "", text[found.end() :]).lstrip(" ,:-'’")
    subject = STOP_AT.split(subject, maxsplit=1)[0]
    subject = re.sub(r"\s+(?:is|are) \w+.*$|\s+(?:required|essential|preferred)\b.*$", "", subject).strip(" .")
    subject = re.split(r" and (?:hold|have|be|an?|proven|strong|must)\b", subject, maxsplit=1)[0]
    words = subject.split()
    if len(words) > MAX_WORDS + 2:
        subject = " ".join(words[: MAX_WORDS + 2])
    if not any(mark.isalpha() for mark in subject):
        subject = "experience"
    return f"{spelled} {unit} of {subject}"[:120]


def _shortened(core: str) -> str:
    """At most eight words, cut at a preposition where there is one late enough."""
    kept = " ".join(core.split()[:MAX_WORDS])
    hinges = [found.start() for found in HINGE.finditer(kept) if len(kept[: found.start()].split()) >= 2]
    return kept[: hinges[-1]] if hinges else TRAIL.sub("", kept)
