"""What kinds of requirement there are, and the wording that gives each of them away."""

from __future__ import annotations

import re
from enum import StrEnum

from actors.grounding.quantities import WORD_VALUES
from state.model import Addressability, Gap, Priority


class Kind(StrEnum):
    """What a requirement is about; the question and the prompts follow it."""

    TOOL = "tool"
    METHOD = "method"
    KNOWLEDGE = "knowledge"
    SOFT = "soft"
    YEARS = "years"
    CERTIFICATION = "certification"
    LICENCE = "licence"
    LANGUAGE = "language"
    EDUCATION = "education"
    LOGISTICS = "logistics"
    PLAIN = "plain"


LEXICON_KINDS = {
    kind.value: kind
    for kind in (
        Kind.TOOL,
        Kind.METHOD,
        Kind.KNOWLEDGE,
        Kind.SOFT,
        Kind.CERTIFICATION,
        Kind.LICENCE,
        Kind.LANGUAGE,
    )
}

NUMBER_WORDS = [word for word, value in WORD_VALUES.items() if value <= 20 and word != "dozen"]
NUMBER = r"(?:\d{1,2}(?:\.\d)?|" + "|".join(NUMBER_WORDS[1:]) + r")"
YEARS = re.compile(
    rf"\b(?P<number>{NUMBER})(?P<half> and a half)?\s?\+?(?:\s?(?:-|–|to|or)\s?{NUMBER}\+?)?"
    r"(?: or more| plus)?(?: full)?[ -](?:years?|yrs?)\b['’]?",
    re.IGNORECASE,
)
NOT_EXPERIENCE = re.compile(
    r"(?:years?|yrs?)['’]?[ -](?:old|of age|degree|course|programme|warranty|ago|contract|plan)\b",
    re.IGNORECASE,
)

LANGUAGES = frozenset(
    re.findall(
        r"\w+",
        """Albanian Amharic Arabic Armenian Basque Bengali Bosnian Bulgarian Burmese Cantonese Catalan Chinese
    Croatian Czech Danish Dutch English Estonian Finnish Flemish French Galician Georgian German Greek
    Gujarati Hausa Hebrew Hindi Hungarian Icelandic Igbo Indonesian Irish Italian Japanese Kannada Kazakh
    Khmer Korean Kurdish Lao Latvian Lithuanian Macedonian Malay Malayalam Maltese Mandarin Marathi Mongolian
    Nepali Norwegian Pashto Persian Farsi Polish Portuguese Punjabi Romanian Russian Serbian Sinhala Slovak
    Slovene Slovenian Somali Spanish Swahili Swedish Tagalog Tamil Telugu Thai Tigrinya Turkish Ukrainian
    Urdu Uzbek Vietnamese Welsh Yoruba Zulu BSL""",
    )
)
LANGUAGE = re.compile(r"\b(?:" + "|".join(sorted(LANGUAGES)) + r")\b")
LANGUAGE_LEVELS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), level)
    for pattern, level in (
        (r"\b(?:C2|native|mother tongue|bilingual|first language)\b", 6),
        (r"\b(?:C1|fluent|fluency|fluently)\b", 5),
        (r"\b(?:B2|business|professional|advanced|proficient)\b", 4),
        (r"\b(?:B1|intermediate|conversational|conversation)\b", 3),
        (r"\b(?:A2|elementary)\b", 2),
        (r"\b(?:A1|basic|basics|beginner|beginners|some)\b", 1),
    )
)
CERTIFICATION = re.compile(
    r"\b(?:certificates?|certificat(?:ion|ions)|certified|accredit(?:ed|ation)|chartered|registration"
    r"|registered with|professional qualification|NVQ|CSCS|safety card|part[- ]qualified)\b",
    re.IGNORECASE,
)
LICENCE = re.compile(r"\b(?:licen[cs]es?|licensed|permit to|(?:drive|driving) a)\b", re.IGNORECASE)
EDUCATION_LEVELS: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern, flags), level)
    for pattern, flags, level in (
        (r"\b(?:ph\.?d|doctorate|doctoral|dphil)\b", re.IGNORECASE, 8),
        (r"\b(?:master['’]?s(?: degree)?|m\.?sc|mba|meng|mphil)\b|\bMA\b(?! \d)", re.IGNORECASE, 7),
        (r"\b(?:postgraduate|PGCE|PGDip)\b", re.IGNORECASE, 7),
        (r"\b(?:bachelor['’]?s?|b\.?sc|beng|degree(?! of)|graduate|undergraduate)\b", re.IGNORECASE, 6),
        (r"\b(?:BA|LLB|BEd|BN|BS)\b|\bB\.[AS]\.", re.NOFLAG, 6),
        (r"\b(?:diploma|HND|HNC|foundation degree|associate degree)\b", re.IGNORECASE, 5),
        (r"\b(?:BTEC|baccalaureate|abitur|high school diploma)\b", re.IGNORECASE, 3),
        (r"\bA[- ][Ll]evels?\b|\ba-levels?\b", re.NOFLAG, 3),
        (r"\b(?:GCSEs?|GED|school leaving)\b", re.IGNORECASE, 2),
    )
)

TOPICS: tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (name, re.compile(asks, re.IGNORECASE), re.compile(shows, re.IGNORECASE))
    for name, asks, shows in (
        (
            "driving",
            r"\b(?:driving licen[cs]e|driver['’]?s['’]? licen[cs]e|driver licen[cs]e|own (?:car|vehicle|transport))\b",
            r"\b(?:driving licen[cs]e|driver['’]?s['’]? licen[cs]e|driver licen[cs]e|licen[cs]e \(category"
            r"|category [BCD]E?\b|own car|(?:clean|full)(?: UK)? licen[cs]e)",
        ),
        (
            "permit",
            r"\b(?:right to work|eligib\w+ to work|work (?:permit|authori[sz]ation|visa)"
            r"|authori[sz]ed to work|sponsor(?:ship)? (?:a )?visas?|visa sponsorship|sponsor visas)\b",
            r"\b(?:right to work|eligible to work|authori[sz]ed to work|work (?:permit|authori[sz]ation|visa)"
            r"|without sponsorship|settled status|citizen|permanent resident|nationality)\b",
        ),
        (
            "nights",
            r"\b(?:night shifts?|nights|overnight shifts?|night work)\b",
            r"\b(?:night shifts?|nights|night duty|night work|overnight shifts?)\b",
        ),
        (
            "weekends",
            r"\bweekends?\b",
            r"\bweekends?\b|\bsaturdays?\b|\bsundays?\b|\b(?:six|6|seven|7) days\b",
        ),
        ("on-call", r"\bon[- ]call\b", r"\bon[- ]call\b|\bout[- ]of[- ]hours\b|\bcall[- ]outs?\b"),
        (
            "shifts",
            r"\b(?:shift (?:work|pattern|rota)\w*|rotating shifts?|split shifts?|early starts?"
            r"|(?:early|late|evening|morning) shifts?|shifts)\b",
            r"\bshifts?\b|\brota\b",
        ),
        (
            "relocation",
            r"\brelocat\w+\b",
            r"\brelocat\w+\b|\bwilling to move\b",
        ),
        (
            "travel",
            r"\b(?:(?:overseas|business|regular|frequent|international|occasional|some|national) travel"
            r"|travel(?:ling|ing)? (?:is |will be )?(?:required|regularly|up to|to|between|across|within|of)"
            r"|(?:willing|able|free|happy|prepared)(?:ness)? to travel|\d+ ?% travel|business trips?)\b",
            r"\b(?:(?:willing|able|free|happy|prepared) to travel|business trips?"
            r"|travell?(?:ed|ing) (?:regularly|weekly|monthly|across|between|to|throughout)"
            r"|(?:overseas|business|international|regular) travel)\b",
        ),
        (
            "place",
            r"\b(?:on[- ]?site|in (?:the|our)(?: \w+)? office|in[- ]office|in[- ]person|based (?:at|in)|hybrid"
            r"|office[- ]based|commut\w+|live (?:in|within|near)|days (?:a|per) week in)\b",
            r"(?!)",
        ),
    )
)
SOFT = re.compile(
    r"\b(?:communicat\w+|team[- ]?(?:player|work|spirit)|interpersonal|motivated|enthusias\w+|passion\w*"
    r"|attention to detail|detail[- ]oriented|organi[sz](?:ed|ational)|flexib\w+|self[- ]starter|proactive"
    r"|reliable|punctual\w*|positive attitude|friendly|problem[- ]solv\w+|curious|curiosity|hard[- ]?working"
    r"|energetic|calm|patien(?:t with|ce)|resilien\w+|adaptab\w+|can[- ]do|telephone manner|sense of humou?r"
    r"|work (?:well )?under pressure|work independently|initiative|empath\w+|willing(?:ness)? to learn)\b",
    re.IGNORECASE,
)

KNOWLEDGE = re.compile(
    r".{0,20}\b(?:knowledge|understanding|awareness|regulations?|legislation|law|principles|standards?|theory)\b",
    re.IGNORECASE,
)
PRACTICE = re.compile(r"(?:tion|sion|ing|ment|ics|logy|care|ship|ity|ance|ence|ry|ysis|work)$", re.IGNORECASE)


def number_of(words: str) -> float:
    """'5' or 'five' as a number."""
    lowered = words.casefold()
    return float(NUMBER_WORDS.index(lowered)) if lowered in NUMBER_WORDS else float(lowered)


def years_in(text: str) -> re.Match[str] | None:
    """Where a text names a length of experience in years; ages, degrees and contracts are none."""
    for found in YEARS.finditer(text):
        if not NOT_EXPERIENCE.search(text, max(found.end() - 7, 0), found.end() + 12):
            return found
    return None


def topic_of(text: str) -> str:
    """The logistical matter that a line is about, or ''."""
    return next((name for name, asks, _ in TOPICS if asks.search(text)), "")


def education_level(text: str) -> int:
    """The lowest level a text accepts, 0 where it names none."""
    return min((level for pattern, level in EDUCATION_LEVELS if pattern.search(text)), default=0)


def language_level(text: str) -> float:
    """The level of a language a text names, 1 (A1) to 6 (C2), or 0."""
    return next((level for pattern, level in LANGUAGE_LEVELS if pattern.search(text)), 0)


def kind_of(gap: Gap) -> Kind:
    """The kind of a gap, from its own words: gaps may come from anywhere."""
    title = gap.title
    logistical = gap.priority is Priority.LOGISTICAL or gap.addressability is Addressability.LOGISTICAL
    certified = CERTIFICATION.search(title) or any(map(CERTIFICATION.search, gap.skills))
    tests: tuple[tuple[object, Kind], ...] = (
        (years_in(title), Kind.YEARS),
        (LICENCE.search(title), Kind.LICENCE),
        (logistical, Kind.LOGISTICS),
        (LANGUAGE.search(title) and len(title.split()) <= 6, Kind.LANGUAGE),
        (certified, Kind.CERTIFICATION),
        (education_level(title), Kind.EDUCATION),
        (SOFT.search(title), Kind.SOFT),
        (gap.skills, Kind.TOOL),
    )
    kind = next((kind for test, kind in tests if test), Kind.PLAIN)
    return _kind_of_skill(gap) if kind is Kind.TOOL else kind


def _kind_of_skill(gap: Gap) -> Kind:
    """A name in capitals is a tool or a certificate; ordinary words are a practice or knowledge."""
    if gap.addressability is Addressability.TIME_DEPENDENT or CERTIFICATION.search(gap.job_asks):
        return Kind.CERTIFICATION
    title = set(gap.title.casefold().split())
    named = next((skill for skill in gap.skills if title & set(skill.casefold().split())), gap.title)
    words = named.split()
    ordinary = PRACTICE.search(named) if len(words) == 1 else all(word[:1].islower() for word in words[1:])
    if KNOWLEDGE.search(gap.title) or (ordinary and KNOWLEDGE.match(gap.job_asks)):
        return Kind.KNOWLEDGE
    return Kind.METHOD if ordinary else Kind.TOOL


def inline(gap_title: str, *, job_asks: str = "", skills: tuple[str, ...] = ()) -> str:
    """A title as it stands inside a sentence: 'Route planning' becomes 'route planning', 'Kubernetes' stays."""
    first, _, rest = gap_title.partition(" ")
    practice = PRACTICE.search(first) and first[1:].islower()
    if not first[1:].islower() or LANGUAGE.match(first) or (rest and rest[0].isupper() and not practice):
        return gap_title
    proper = not rest or any(skill == first for skill in skills)
    inside = re.search(rf"[a-z,] {re.escape(first)}\b", job_asks)
    return gap_title if inside or (proper and not practice) else gap_title[0].lower() + gap_title[1:]
