"""Writes an answer out of the candidate's own words: sorted to the three bullets, put into resume style.

Every input is cut into pieces, each with the words it quotes; a piece is worded without first person and
fillers, and a bullet is its pieces one after another. Nothing is added but small words ('Used', 'over',
'at work'), and what the inputs do not tell is said to be missing. Should the wording still let a fact read
otherwise than its source, the inputs stand in the answer as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from actors.grounding import said, sources_of, unborne, ungrounded
from actors.offline.lexicon import Lexicon
from state.errors import InvalidField
from state.messages import RefineAnswer, WriteAnswer
from state.model import Answer, Bullet, BulletKind, Claim, Document, Gap, Inputs, Prompt

MAX_BULLET_WORDS = 60
MAX_TITLE_TOOLS = 4

FILLER = re.compile(
    r"\b(?:basically|actually|really|honestly|literally|obviously|you know|to be honest"
    r"|I (?:think|guess|believe|suppose)"
    r"|(?<!a )(?<!this )(?<!that )(?<!the )(?<!what )(?<!any )(?<!some )(?:kind|sort) of)\b,?\s*",
    re.IGNORECASE,
)
VAGUE = re.compile(
    r"\b(?:some|a few|few|things?|stuff|a bit|a lot|lots|various|several|many|quite|better|nice|good|etc"
    r"|when needed|a while|on and off|sometimes|often|somehow|something|helped)\b",
    re.IGNORECASE,
)
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
    r"(?=\s*(?:$|[.!,;]))"
    r"|\b(?:give|award|assign|deserves?)\b.{0,30}\b(?:full|top|maximum|highest|perfect) (?:marks?|scores?|points)\b"
    r"|\b(?:system prompt|as an ai|you are (?:an?|now) (?:ai|assistant|model)"
    r"|(?:dear|to the|the) (?:evaluator|grader))\b",
    re.IGNORECASE,
)
TIME = re.compile(
    r"\b(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|eighteen)"
    r"[- ]?(?:years?|months?|weeks?|days?|hours?|minutes?|nights?|shifts?)\b"
    r"|\b(?:since|in|from|until|to)\b[^.;]{0,20}\b(?:19|20)\d\d\b",
    re.IGNORECASE,
)
OUTCOME = re.compile(
    r"\b(?:so that|so (?:the|we|they|nobody|no one)|meant|result\w*|now|instead|since then|went from|fell|rose"
    r"|dropped|down|fewer|less|more than|faster|quicker|saved?|saving|cut(?:ting)?|reduc\w+|increas\w+|improv\w+"
    r"|grew|raised|passed|won|came (?:first|second|third)|releas\w+|live|stopped|replac\w+|adopted"
    r"|no (?:downtime|errors?|missed|rejected|complaints?|incidents?)|the same day|first time|noticed|early"
    r"|on time|within budget|in use|used by|opens it|signed off|recovered|kept)\b",
    re.IGNORECASE,
)


class _Role(StrEnum):
    DONE = "done"
    DETAIL = "detail"
    TOOLS = "tools"
    DURATION = "duration"
    CONTEXT = "context"
    RESULT = "result"


_ROLE_WORDS: tuple[tuple[_Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        (_Role.RESULT, r"evidence|metric|outcome|result|impact|measur|improve|feedback|chang|benefit|saving"),
        (_Role.TOOLS, r"tools?\b|technolog|software|equipment|systems?\b|method|techniqu|stack|framework"),
        (_Role.DURATION, r"duration|how.?long|period|(?<![a-z])(?:since|when|dates?)(?![a-z])"),
        (_Role.CONTEXT, r"context|setting|where|situation|environment"),
        (_Role.DETAIL, r"specificity|scope|scale|size|how.?(?:many|often)|frequency|team|role|responsib|level"),
    )
)
_CONTEXTS: Mapping[str, str] = {
    "work": "at work",
    "side project": "in a side project",
    "online course": "on an online course",
    "hackathon": "at a hackathon",
    "personal learning": "in personal learning",
    "volunteering": "in volunteering",
    "placement": "on placement",
    "studies": "during studies",
}
_MISSING: Mapping[BulletKind, str] = {
    BulletKind.BUILD: "What was done not yet told",
    BulletKind.ENGINEER: "Tools and method not yet told",
    BulletKind.IMPACT: "Outcome not yet measured",
}


def write_answer(request: WriteAnswer, *, lexicon: Lexicon) -> Answer:
    """A title and three bullets that `ungrounded` finds nothing in.

    Raises `InvalidField` where neither the inputs nor the CV hold a word.
    """
    return _Writer(request.gap, request.prompts, request.inputs, request.cv, lexicon).answer()


def refine_answer(request: RefineAnswer, *, lexicon: Lexicon) -> Answer:
    """The answer from all inputs; what came with the refinement stands in it and replaces what was vague."""
    return _Writer(request.gap, request.prompts, request.inputs, request.cv, lexicon).answer()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Words of a source and what they are for."""

    source: str
    quote: str
    role: _Role
    follow_up: bool = False

    @property
    def vague(self) -> bool:
        named = re.search(r"\d|(?<=\w )[A-Z]", self.quote)
        return not named and bool(VAGUE.search(self.quote)) and not TIME.search(self.quote)

    @property
    def weight(self) -> float:
        """How much a reader learns from it: figures and names over plain words, the newest first."""
        figures = len(re.findall(r"\d+", self.quote)) + len(re.findall(r"(?<=\w )[A-Z]", self.quote))
        return figures + (20 if self.follow_up else 0) - (5 if self.vague else 0)


class _Writer:
    """One answer in the making."""

    def __init__(self, gap: Gap, prompts: Sequence[Prompt], inputs: Inputs, cv: Document, lexicon: Lexicon) -> None:
        self._gap = gap
        self._inputs = inputs
        self._cv = cv
        self._lexicon = lexicon
        self._sources = sources_of(inputs, cv)
        self._questions = {prompt.id: prompt.question for prompt in prompts}
        self._pieces = _substance([piece for name, value in inputs.items() for piece in self._cut(name, said(value))])

    def answer(self) -> Answer:
        worded = self._worded()
        if worded is not None and not ungrounded(worded, self._inputs, self._cv):
            return worded
        return self._verbatim()

    def _cut(self, name: str, text: str) -> Iterator[_Piece]:
        role = _role_of(name, self._questions.get(name, ""))
        follow_up = name.startswith("refine")
        whole = _Piece(source=f"input:{name}", quote=text.strip(), role=role, follow_up=follow_up)
        fact = role in {_Role.TOOLS, _Role.DURATION, _Role.CONTEXT}
        if _NOTHING_SAID.fullmatch(text):
            return
        if fact and not _reads_as_prose(text):
            if has_words(text):
                yield whole
            return
        told = _Role.DETAIL if fact else role
        yield from (replace(whole, quote=quote, role=told) for quote in sentences(text))

    def _worded(self) -> Answer | None:
        done = self._of(_Role.DONE, _Role.DETAIL)
        results = self._of(_Role.RESULT)
        facts = self._facts()
        if len(done) < len(BulletKind) - bool(results) - bool(facts):
            done = [replace(piece, quote=quote) for piece in done for quote in _clauses(piece.quote)]
        if not results and len(done) > 1:
            results = [piece for piece in done[1:] if OUTCOME.search(piece.quote)]
            done = [piece for piece in done if piece not in results]
        done.sort(key=lambda piece: not _FIRST_PERSON_START.match(piece.quote))
        half = (len(done) + 1) // 2
        built, engineered = done[:half], done[half:]
        if not self._pieces and not any(has_words(line) for _, line in self._cv.lines()):
            return None
        spare = self._spare(done + results)
        bullets = (
            self._bullet(BulletKind.BUILD, self._claims(built), spare),
            self._bullet(BulletKind.ENGINEER, [*self._claims(engineered, room=40), *facts], spare),
            self._bullet(BulletKind.IMPACT, self._claims(results), spare),
        )
        return Answer(title=self._title(done + results), bullets=bullets)

    def _of(self, *roles: _Role) -> list[_Piece]:
        """The pieces of these roles; vague ones only where nothing better was said."""
        pieces = [piece for piece in self._pieces if piece.role in roles]
        return [piece for piece in pieces if not piece.vague] or pieces

    def _claims(self, pieces: Sequence[_Piece], room: int = MAX_BULLET_WORDS) -> list[Claim]:
        """The weightiest pieces that fit into `room` words, in the order they were told."""
        kept: list[_Piece] = []
        for piece in sorted(pieces, key=lambda piece: -piece.weight):
            used = len(piece.quote.split())
            if not kept or used <= room:
                kept.append(piece)
                room -= used
        claims = [_claim(piece, _numbered(piece) or resume_style(piece.quote)) for piece in pieces if piece in kept]
        return list({claim.text.casefold(): claim for claim in reversed(claims)}.values())[::-1]

    def _facts(self) -> list[Claim]:
        """Tools, duration and context as one sentence: 'Used kind and Helm in a side project over 3 months'."""
        tools = self._of(_Role.TOOLS)
        told = " ".join(piece.quote for piece in self._pieces)
        durations = self._of(_Role.DURATION)
        if TIME.search(told):
            durations = [piece for piece in durations if not piece.vague]
        claims = [_claim(piece, _listed(_inner(piece.quote))) for piece in tools]
        claims += [_claim(piece, _setting(piece.quote)) for piece in self._of(_Role.CONTEXT)]
        claims += [_claim(piece, _lasting(piece)) for piece in durations]
        if not claims:
            return []
        opening = "Used" if tools else "Carried out"
        return [replace(claims[0], text=f"{opening} {claims[0].text}"), *claims[1:]]

    def _bullet(self, kind: BulletKind, claims: list[Claim], spare: Iterator[Claim]) -> Bullet:
        if not claims:
            claim = next(spare)
            joint = ". " if claim.source.startswith("cv:") else ": "
            return Bullet(kind=kind, text=f"{_MISSING[kind]}{joint}{claim.text}.", claims=(claim,))
        text = claims[0].text
        for before, claim in pairwise(claims):
            text += (" " if claim.text[:1].islower() or claim.text[:1] == "(" else _stop(before.text)) + claim.text
        return Bullet(kind=kind, text=text + _stop(text).strip(), claims=tuple(claims))

    def _spare(self, used: Sequence[_Piece]) -> Iterator[Claim]:
        """What a bullet without material of its own may point to: the nearest CV lines, else what was said."""
        pieces = list(used) or list(self._pieces)
        for number, line in self._nearest_lines(at_least=2 if pieces else 0):
            yield Claim(text=f"Related experience: {line}", source=f"cv:{number}", quote=line)
        while True:
            piece = pieces[0] if pieces else _Piece(source="", quote="", role=_Role.DONE)
            yield _claim(piece, _numbered(piece) or _snippet(resume_style(piece.quote), 20))

    def _nearest_lines(self, at_least: int) -> list[tuple[int, str]]:
        """CV lines that share so many words with the gap, nearest first; one a bullet."""
        wanted = _content(f"{self._gap.title} {self._gap.job_asks} {' '.join(self._gap.skills)}")
        lines = ((number, line.lstrip("-•*# ").strip()) for number, line in self._cv.lines())
        ranked = sorted((-len(wanted & _content(line)), number, line) for number, line in lines if has_words(line))
        near = [(number, line) for shared, number, line in ranked if -shared >= at_least]
        return near[: len(BulletKind)] if at_least else (near * len(BulletKind))[: len(BulletKind)]

    def _title(self, used: Sequence[_Piece]) -> str:
        """'AWS in personal learning: S3, IAM', as much of it as the candidate has said."""
        head = self._gap.title.strip() if len(self._gap.title.split()) <= 6 else ""
        setting = next((_setting(piece.quote) for piece in self._of(_Role.CONTEXT)), "")
        tools = [tool for tool in self._tools() if tool.casefold() != head.casefold()][:MAX_TITLE_TOOLS]
        openings = dict.fromkeys((f"{head} {setting}".strip(), setting))
        titles = [": ".join(part for part in (_upper_first(opening), ", ".join(tools)) if part) for opening in openings]
        titles += [", ".join(tools), *(_snippet(resume_style(piece.quote), 8) for piece in used[:1])]
        titles += [_snippet(line, 8) for _, line in self._cv.lines()[:1]]
        borne = [title for title in titles if has_words(title) and not unborne(title, self._sources)]
        return borne[0] if borne else (titles or [""])[0]

    def _tools(self) -> list[str]:
        """The tools named in the tools input, else those the lexicon knows in any input."""
        named = [
            item for piece in self._of(_Role.TOOLS) for item in _items(_inner(piece.quote)) if len(item.split()) <= 6
        ]
        if not named:
            texts = [" ".join(piece.quote.split()) for piece in self._pieces]
            found = {mention.skill.name: mention.words for text in texts for mention in self._lexicon.mentions(text)}
            named = list(found.values())
        return list(dict.fromkeys(named))

    def _verbatim(self) -> Answer:
        """The inputs as they came, one a bullet; the CV's lines where there is none."""
        told = [(f"input:{name}", said(value)) for name, value in self._inputs.items() if said(value).strip()]
        told = told or [(f"cv:{number}", line) for number, line in self._cv.lines()]
        if not told:
            raise InvalidField(field="inputs", fix="Answer at least one of the prompts in a few words.")
        chosen = [told[min(place, len(told) - 1)] for place in range(len(BulletKind))]
        bullets = tuple(
            Bullet(kind=kind, text=text, claims=(Claim(text=text, source=source, quote=text),))
            for kind, (source, text) in zip(BulletKind, chosen, strict=True)
        )
        return Answer(title=told[0][1], bullets=bullets)


# Pieces of text.

_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|no|approx|dr|mr|mrs|ms|st|inc|ltd|dept)|\b[A-Z])\.$", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^\n]+?(?:[.!?]+[\"')]*(?=\s)|;(?=\s)|(?=\n)|$)")
_CLAUSE = re.compile(
    r"[;,]?\s+(?=(?:using|so that|which meant|resulting in|and then|and now|and afterwards)\b)"
    r"|,\s+(?=(?:then|which|so|using|with|by|and|no|never|without|cutting|reducing|saving)\b)|;\s+",
    re.IGNORECASE,
)
_NOTHING_SAID = re.compile(
    r"\W*(?:n/?a|none|nil|no|nothing|not (?:measured|applicable|sure)|(?:I )?(?:don't|do not) know|idk|tbc|tbd)?\W*",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W_]{2,}")
_PROSE = re.compile(r"(?:^|\s)(?:I|we|I've|we've)\s", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The sentences and listed lines of a text that hold a word, as they stand there."""
    found: list[str] = []
    for match in _SENTENCE.finditer(text):
        part = match.group()
        if found and _ABBREVIATED.search(found[-1]) and not text[: match.start()].endswith("\n"):
            start = text.rindex(found[-1], 0, match.start())
            found[-1] = text[start : match.end()]
        else:
            found.append(part)
    return [quote for part in found if has_words(quote := part.strip().lstrip("-•* ").strip())]


def has_words(text: str) -> bool:
    return any(char.isalnum() for char in text)


def talks_idly(text: str) -> bool:
    """Whether it praises the candidate or instructs the reader instead of telling what was done."""
    return bool(FLATTERY.search(text) or INSTRUCTION.search(text))


def _substance(pieces: list[_Piece]) -> list[_Piece]:
    """Without repetition, and without praise and instructions where anything else was said."""
    unique = list({" ".join(piece.quote.casefold().split()): piece for piece in reversed(pieces)}.values())[::-1]
    telling = [piece for piece in unique if not INSTRUCTION.search(piece.quote)]
    factual = [piece for piece in telling if not FLATTERY.search(piece.quote) or re.search(r"\d", piece.quote)]
    return factual or telling or unique


def _clauses(sentence: str) -> list[str]:
    """Its clauses that can stand alone; short ones stay together."""
    parts: list[str] = []
    start = 0
    for match in _CLAUSE.finditer(sentence):
        if len(sentence[start : match.start()].split()) >= 4 and len(sentence[match.end() :].split()) >= 3:
            parts.append(sentence[start : match.start()].strip())
            start = match.end()
    return [*parts, sentence[start:].strip()]


def _role_of(name: str, question: str) -> _Role:
    for text in (name, question):
        for role, words in _ROLE_WORDS:
            if words.search(text):
                return role
    return _Role.DONE


def _reads_as_prose(text: str) -> bool:
    return bool(_PROSE.search(text)) or len(text.split()) > 30 or len(sentences(text)) > 1


def _content(text: str) -> set[str]:
    return {word.casefold()[:6] for word in _WORDS.findall(text) if len(word) > 3 or word.isupper()}


# Resume style.

_FIRST_PERSON_START = re.compile(r"(?:[^,;.!?]{0,70}\s)?(?:I|We|I've|We've)\s", re.IGNORECASE)
_LEAD = re.compile(
    r"(?P<lead>(?:at|in|on|over|for|during|from|before|after|afterwards|since|last|throughout|within|when|while|later)\b"
    r"[^,;.!?]{0,70}?),?\s+(?:I|we)(?P<rest>(?:'ve)?\s.+)",
    re.IGNORECASE | re.DOTALL,
)
_PERFECT = re.compile(r"(?:I|we)(?:'ve|’ve| have| had)\s", re.IGNORECASE)
_PAST = {
    "done": "did", "taken": "took", "given": "gave", "written": "wrote", "run": "ran", "begun": "began",
    "seen": "saw", "known": "knew", "shown": "showed", "grown": "grew", "driven": "drove", "spoken": "spoke",
    "gone": "went", "chosen": "chose", "come": "came", "become": "became", "drawn": "drew", "fallen": "fell",
}  # fmt: skip
_STARTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), put)
    for pattern, put in (
        (r"^(?:and|so|but|also|then|well|yes|yeah),?\s+(?=(?:I|we|it|my|our)\b)", ""),
        (r"^(?:using|by means of)\s+(?=\w)", "Used "),
        (r"^(?:so that|which (?:meant|means)(?: that)?|resulting in|and then|and now|and|then|which|so)\s+", ""),
        (r"^(?:it|this|that) (?=(?:meant|means) )", ""),
        (r"^(?:meant|means) (?:that )?", ""),
        (r"^(?:it|this|that) (?=(?:saved?|made|cut|reduced|improved|helped|gave|led|let|brought|raised|went)\b)", ""),
        (r"^(?:I|we)(?:'ve|’ve| have| had) been (?:(?:an?|the) )?", ""),
        (r"^(?:I|we)(?:'ve|’ve| have| had) (?:also )?(?=\w+(?:ed|en|t|n|ne|un)\b)", ""),
        (r"^(?:I|we)(?: was| were| am| are|'m|’m|'re|’re) (?:(?:an?|the) )?(?=\w)", ""),
        (r"^(?:I|we)(?:'d|’d|'ve|’ve)? (?:also |then )?(?=\w)", ""),
    )
)  # fmt: skip
_INSIDE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"(?i)\b(and|but|then|or|so)\s+(?:I|we)(?:'ve|’ve| have| had)?\s+(?=[a-z])", r"\1 "),
        (r"([;,])\s+(?:I|we|We)\s+(?=[a-z])", r"\1 "),
        (r"(?i)\bby (?:myself|ourselves)\b", "alone"),
        (r"(?i)\s+(?:myself|ourselves)\b", ""),
        (r"(?i)\bmy (?=(?:grand)?(?:mother|father|parents?)\b|(?:wife|husband|partner|friend|brother|sister)\b)", "a "),
        (r"\b(?:My|Our)\b(?: own\b)?", "The"),
        (r"\b(?:my|our)\b(?: own\b)?", "the"),
        (r" for me\b", ""),
        (r"\bus\b", "the team"),
        (r"\bwe(?=\s)", "the team"),
        (r"\bWe(?=\s)", "The team"),
    )
)  # fmt: skip


def resume_style(sentence: str) -> str:
    """'I think I built a cluster.' -> 'Built a cluster': no first person, no filler, no final stop."""
    text = FILLER.sub("", " ".join(sentence.split())).strip(" -•*")
    lead = _LEAD.fullmatch(text)
    if lead:
        text = f"I{lead['rest'].rstrip(' .!;,:')} {_lower_first(lead['lead'])}"
    perfect = _PERFECT.match(text)
    for pattern, put in _STARTS:
        text = pattern.sub(put, text, count=1)
    for pattern, put in _INSIDE:
        text = pattern.sub(put, text)
    text = text.rstrip(" .!;,:")
    if perfect:
        first, _, rest = text.partition(" ")
        text = f"{_PAST.get(first.lower(), first)} {rest}".strip()
    return _upper_first(text) or sentence.strip()


def _inner(text: str) -> str:
    """A fact as part of a sentence: one line, no final stop."""
    plain = FILLER.sub("", " ".join(text.split())).strip(" .;,:!-•*")
    for pattern, put in _INSIDE:
        plain = pattern.sub(put, plain)
    return plain or " ".join(text.split())


def _claim(piece: _Piece, text: str) -> Claim:
    return Claim(text=text, source=piece.source, quote=piece.quote)


def _items(text: str) -> list[str]:
    """The members of a list; a comma inside brackets does not part them."""
    return [item for part in re.split(r"[,;](?![^()]*\))|\s+and\s+(?=[^,]*$)", text) if (item := part.strip(" .-•*"))]


def _listed(text: str) -> str:
    items = [item.strip() for item in re.split(r",(?![^()]*\))", text) if item.strip()]
    if len(items) < 2 or " and " in text:
        return text
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _lasting(piece: _Piece) -> str:
    text = _lower_first(_inner(piece.quote))
    if _numbered(piece):
        value, _, name = _numbered(piece).partition(" ")
        return f"{name[:-1]}: {value})" if name else f"({value})"
    if re.match(r"(?:a while|ages)\b", text):
        return f"for {text}"
    if re.match(r"(?:on|since|from|for|over|during|every|in|between|until|at|twice|once)\b", text):
        return text
    return f"over {text}"


def _numbered(piece: _Piece) -> str:
    """A bare figure with the name of its prompt: '4 (beds per bay)'."""
    name = piece.source.partition(":")[2].replace("_", " ")
    if not re.fullmatch(r"[\d.,]+", piece.quote):
        return ""
    return f"{piece.quote} ({name})" if re.fullmatch(r"[a-z ]+", name) else piece.quote


def _setting(text: str) -> str:
    inner = _inner(text)
    known = _CONTEXTS.get(inner.casefold())
    if known:
        return known
    if re.match(r"(?:at|in|on|during|for|as|with)\b", inner, re.IGNORECASE):
        return _lower_first(inner)
    return f"({inner})"


def _stop(text: str) -> str:
    return " " if text.endswith(("?", ".")) else ". "


def _snippet(text: str, words: int) -> str:
    """Its first words, cut where a phrase ends; a figure is never parted from what it counts."""
    kept = text.split()[:words]
    if len(kept) == len(text.split()):
        return text.rstrip(" .,;:")
    ends = [place for place, word in enumerate(kept, 1) if place > 2 and word.endswith((",", ";", ".", ":"))]
    kept = kept[: ends[-1]] if ends else kept
    while len(kept) > 1 and (kept[-1].lower() in _JOINING or any(char.isdigit() for char in kept[-1])):
        kept.pop()
    return " ".join(kept).rstrip(" .,;:")


def _upper_first(text: str) -> str:
    first = text.split(" ", 1)[0]
    plain = first.islower() and first.isascii()
    return text[:1].upper() + text[1:] if plain and not any(char.isdigit() for char in first) else text


def _lower_first(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first.istitle() and first.lower() in _LOWERABLE else text


_JOINING = frozenset(
    ["a", "an", "the", "and", "or", "of", "to", "in", "for", "with", "on", "at", "by", "from", "per", "over", "under",
     "about", "around", "nearly", "than", "as", "up", "no", "not", "without"]
)  # fmt: skip
_LOWERABLE: frozenset[str] = frozenset(
    ["about", "after", "afterwards", "as", "at", "before", "carried", "during", "every", "for", "from", "helped", "in",
     "last", "later", "on", "over", "since", "some", "the", "throughout", "used", "when", "while", "within", "with"]
)  # fmt: skip
