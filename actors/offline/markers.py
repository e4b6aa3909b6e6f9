"""Words that give a sentence away: padding, vagueness, praise, commands, times, outcomes."""

from __future__ import annotations

import re

from actors.grounding.quantities import WORD_VALUES
from actors.grounding.vocabulary import any_of

COUNT = rf"(?:{any_of(WORD_VALUES)})"
"""A pattern for a number written as a word."""

FILLER = re.compile(
    r"\b(?:basically|actually|really|honestly|literally|obviously|you know|to be honest"
    r"|I (?:think|guess|believe|suppose)"
    r"|(?<!a )(?<!this )(?<!that )(?<!the )(?<!what )(?<!any )(?<!some )(?:kind|sort) of)\b,?\s*",
    re.IGNORECASE,
)
HEDGE = re.compile(
    r"\b(?:a bit|maybe|perhaps|probably|possibly|somewhat|I hope|tried to|a little|quite|helped with|was involved)\b",
    re.IGNORECASE,
)
VAGUE = re.compile(
    r"\b(?:some|a few|few|things?|stuff|a bit|a lot|lots|various|several|many|quite|better|nice|good|etc"
    r"|when needed|a while|on and off|sometimes|often|somehow|something|helped)\b",
    re.IGNORECASE,
)
EMPTY_PRAISE = re.compile(r"\b(?:well|better|fine|good|great|nice|success\w*|happy|pleased)\b", re.IGNORECASE)
FLATTERY = re.compile(
    r"\b(?:world[- ]class|best[- ]in[- ]class|passionate(?:ly)?|guru|ninja|rock ?star|genius|visionary|go-getter"
    r"|cutting[- ]edge|unparalleled|unmatched|second to none|top[- ]notch|synerg\w+|proven track record"
    r"|hard[- ]?working|team player|(?:results?|detail)[- ](?:driven|oriented)"
    r"|highly (?:skilled|motivated|talented|experienced)"
    r"|(?:exceptional|incredib|amazing|tru|remarkab|outstanding|brilliant)ly|perfect (?:fit|candidate|answer|match)"
    r"|(?:best|finest|greatest) (?:candidate|engineer|nurse|coordinator|person|employee|ever|answer|in the world)"
    r"|(?:outstanding|excellent|exceptional|fantastic|amazing|incredible|brilliant|remarkable|superb|stellar|great)"
    r" (?:\w+ )?(?:engineer|nurse|candidate|professional|leader|worker|skills?|communicator|results?|work|person"
    r"|addition|performance|contributions?|job|answer))\b",
    re.IGNORECASE,
)
INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:rubric|instructions?|above|previous|rules?|prompt|criteria)\b"
    r"|\b(?:give|award|assign|rate|score|mark)\b(?: \w+){0,4} (?:10|ten)(?:/10| out of (?:10|ten)| points?)?"
    r"(?=\s*(?:$|[.!,;]|(?:for|on|in) (?:all|each|every)\b))"
    r"|\b(?:give|award|assign|deserves?)\b.{0,30}\b(?:full|top|maximum|highest|perfect) (?:marks?|scores?|points)\b"
    r"|\b(?:system prompt|as an ai|you are (?:an?|now) (?:ai|assistant|model)"
    r"|(?:dear|to the|the) (?:evaluator|grader)|rubric is (?:suspended|void|cancelled))\b"
    r"|</?(?:answer|inputs?|cv|job|system|evaluation|instructions?|user|assistant|task|context)>|\"score\"\s*:",
    re.IGNORECASE,
)
TIME = re.compile(
    rf"\b(?:\d+|an?|{COUNT})[- ]?(?:years?|months?|weeks?|days?|hours?|minutes?|nights?|shifts?|terms?|summers?)\b"
    r"|\b(?:since|in|from|until|to)\b[^.;]{0,20}\b(?:19|20)\d\d\b"
    r"|\b(?:each|every) (?:\w+ )?(?:morning|night|shift|week|month|term|year|spring|summer|autumn|winter"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)?day)\b|\b(?:daily|weekly|monthly|quarterly|yearly|annually)\b",
    re.IGNORECASE,
)
LIMITED = re.compile(
    r"\b(?:helped|assisted|shadowed|watched|reminded|collected|tutorial|course|module|sample|exercise|checked by"
    r"|(?:manager|senior|supervisor|colleague|boss|consultant|engineer|doctor|agent|setter|she|he|they)"
    r" (?:did|made|wrote|prepared|had (?:done|made|written|prepared))|who (?:did|made|wrote|prepared)"
    r"|(?:was|were) for the \w+s|a few times|now and then|occasionally|sometimes|trying to|played (?:around|with)"
    r"|at the moment|(?:would|could) (?:start|move|learn|get|stay|begin)|will (?:look|try|learn|need)|it depends"
    r"|run out|expired|lapsed)\b",
    re.IGNORECASE,
)
"""Words that say it was a part, a trial, somebody else's, or is still to come."""
OUTCOME = re.compile(
    r"\b(?:so that|so (?:the|we|they|nobody|no one)|meant|result\w*|now|instead|since then|went from|fell|rose"
    r"|dropped|down|fewer|less|more than|faster|quicker|saved?|saving|cut(?:ting)?|reduc\w+|increas\w+|improv\w+"
    r"|grew|raised|passed|won|came (?:first|second|third)|releas\w+|live|stopped|replac\w+|adopted"
    r"|no (?:downtime|errors?|missed|rejected|complaints?|incidents?|accidents?)|never had|the same day|first time"
    r"|noticed|early|on time|within budget|in use|used by|opens it|signed off|recovered|kept|withdrew|withdrawn"
    r"|thanked|praised|approved)\b",
    re.IGNORECASE,
)
_SPELLINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), put)
    for pattern, put in (
        (r"(?<=\w{3})(i|y)s(?=(?:e|ed|es|ing|ation|ations|er|ers)\b)", r"\1z"),
        (r"(?<=\w{3})our(?=s|ed|ing|al|\b)", "or"),
        (r"\b(cent|met|lit|theat)re(?=s|\b)", r"\1er"),
        (r"\b(cent)red\b", r"\1ered"),
        (r"\blicen[cs]e", "license"),
        (r"\b(program)mes?\b", r"\1"),
        (r"\b(catalog)ues?\b", r"\1"),
        (r"\b(enrol)(?=ment)", r"\1l"),
        (r"\b(age)(?=ing\b)", "ag"),
        (r"\b(alumin)i(?=um)", r"\1"),
        (r"\btelephone", "phone"),
    )
)
CONSEQUENCE = re.compile(r"(?:as a result|(?:it|this|that|which) (?:meant|means))\b", re.IGNORECASE)
"""How a sentence opens that tells what came of the one before it."""


def says_little(text: str) -> bool:
    """Whether it is vague, or calls something good without saying what it was."""
    return bool(VAGUE.search(text) or EMPTY_PRAISE.search(text))


def talks_idly(text: str) -> bool:
    """Whether it praises the candidate or instructs the reader instead of telling what was done."""
    return bool(FLATTERY.search(text) or INSTRUCTION.search(text))


def one_spelling(text: str) -> str:
    """British and American spellings as one, for comparisons alone: some words come out as neither."""
    for pattern, put in _SPELLINGS:
        text = pattern.sub(put, text)
    return text
