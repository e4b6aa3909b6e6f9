"""Writes an answer out of the candidate's own words: sorted to the three bullets, put into resume style.

Every input is cut into pieces, each with the words it quotes; a piece is worded without first person and
fillers, and a bullet is its pieces one after another. Nothing is added but small words ('Used', 'over',
'at work'), and what the inputs do not tell is said to be missing. Should the wording still let a fact read
otherwise than its source, the inputs stand in the answer as they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from actors.grounding import said, sources_of, unborne, ungrounded
from actors.offline.evidence import stems
from actors.offline.facts import Statement, facts_told, names_told, numbered, setting
from actors.offline.lexicon import Lexicon
from actors.offline.markers import CONSEQUENCE, OUTCOME
from actors.offline.pieces import Piece, of_roles, pieces_of, without_echoes
from actors.offline.resume_style import resume_style, tells_own_deed, upper_first
from actors.offline.roles import FACTS, Role, role_of
from actors.offline.sentences import clauses, has_words, shortened
from state.errors import InvalidField
from state.messages import RefineAnswer, WriteAnswer
from state.model import Answer, Bullet, BulletKind, Claim

MAX_BULLET_WORDS = 60
MAX_METHOD_WORDS = 40
MAX_TITLE_TOOLS = 4
MAX_TITLE_TOOL_WORDS = 8
MAX_HEAD_WORDS = 8

_MISSING: Mapping[BulletKind, str] = {
    BulletKind.BUILD: "What was done not yet told",
    BulletKind.ENGINEER: "Tools and method not yet told",
    BulletKind.IMPACT: "Outcome not yet measured",
}
_ROLES: Mapping[BulletKind, frozenset[Role]] = {
    BulletKind.BUILD: frozenset({Role.DONE, Role.DETAIL}),
    BulletKind.ENGINEER: FACTS,
    BulletKind.IMPACT: frozenset({Role.RESULT}),
}


def write_answer(request: WriteAnswer, *, lexicon: Lexicon) -> Answer:
    """A title and three bullets that `ungrounded` finds nothing in.

    Raises `InvalidField` where neither the inputs nor the CV hold a word.
    """
    return _Writer(request, lexicon).answer()


def refine_answer(request: RefineAnswer, *, lexicon: Lexicon) -> Answer:
    """The answer from all inputs; what came with the refinement stands in it and replaces what was vague."""
    return _Writer(request, lexicon).answer()


class _Writer:
    """One answer in the making."""

    def __init__(self, request: WriteAnswer | RefineAnswer, lexicon: Lexicon) -> None:
        self._gap = request.gap
        self._inputs = request.inputs
        self._cv = request.cv
        self._lexicon = lexicon
        self._questions = {prompt.id: prompt.question for prompt in request.prompts}
        self._pieces = pieces_of(request.inputs, self._questions)

    def answer(self) -> Answer:
        if self._pieces or any(has_words(line) for _, line in self._cv.lines()):
            worded = self._worded()
            if not ungrounded(worded, self._inputs, self._cv):
                return worded
        return self._verbatim()

    def _worded(self) -> Answer:
        done, results = self._done_and_results()
        methods = of_roles(self._pieces, Role.METHOD)
        facts = facts_told(self._pieces, self._questions)
        deed = next((place for place, piece in enumerate(done) if tells_own_deed(piece.quote)), 0)
        half = max((len(done) + 1) // 2, deed + 1)
        engineered = [*done[half:], *methods]
        spare = self._spare(done + results)
        bullets = (
            self._bullet(BulletKind.BUILD, _statements(done[:half], MAX_BULLET_WORDS), spare),
            self._bullet(BulletKind.ENGINEER, [*_statements(engineered, MAX_METHOD_WORDS), *facts], spare),
            self._bullet(BulletKind.IMPACT, _statements(results, MAX_BULLET_WORDS), spare),
        )
        return Answer(title=self._title(done + results), bullets=bullets)

    def _done_and_results(self) -> tuple[list[Piece], list[Piece]]:
        """What was done and what came of it; no sentence is in both."""
        done = of_roles(self._pieces, Role.DONE, Role.DETAIL)
        results = of_roles(self._pieces, Role.RESULT)
        elsewhere = any(piece.role not in {Role.DONE, Role.DETAIL, Role.RESULT} for piece in self._pieces)
        done = without_echoes(done, results)
        if len(done) < len(BulletKind) - bool(results) - elsewhere:
            done = [replace(piece, quote=quote) for piece in done for quote in clauses(piece.quote)]
        came_of_it = [piece for piece in done[1:] if _tells_an_outcome(piece, has_results=bool(results))]
        if results and not elsewhere and len(done) - len(came_of_it) < 2:
            came_of_it = []
        done = [piece for piece in done if piece not in came_of_it]
        return done, results + came_of_it

    def _bullet(self, kind: BulletKind, told: Sequence[Statement], spare: Iterator[Claim]) -> Bullet:
        if not told:
            claim = next(spare)
            joint = ". " if claim.source.startswith("cv:") else ": "
            return Bullet(kind=kind, text=f"{_MISSING[kind]}{joint}{claim.text}.", claims=(claim,))
        text = " ".join(_stopped(statement.text) for statement in told)
        return Bullet(kind=kind, text=text, claims=tuple(claim for statement in told for claim in statement.claims))

    def _spare(self, used: Sequence[Piece]) -> Iterator[Claim]:
        """What a bullet without material of its own may point to: the nearest CV lines, else what was said."""
        pieces = list(used) or self._pieces
        for number, line in self._nearest_lines(at_least=2 if pieces else 0):
            yield Claim(text=f"Related experience: {line}", source=f"cv:{number}", quote=line)
        while True:
            yield pieces[0].claim(numbered(pieces[0]) or shortened(resume_style(pieces[0].quote), 20))

    def _nearest_lines(self, at_least: int) -> list[tuple[int, str]]:
        """CV lines that share so many words with the gap, nearest first; one a bullet."""
        wanted = stems(f"{self._gap.title} {self._gap.job_asks} {' '.join(self._gap.skills)}")
        lines = ((number, line.lstrip("-•*# ").strip()) for number, line in self._cv.lines())
        ranked = sorted((-len(wanted & stems(line)), number, line) for number, line in lines if has_words(line))
        near = [(number, line) for shared, number, line in ranked if -shared >= at_least]
        return near[: len(BulletKind)] if at_least else (near * len(BulletKind))[: len(BulletKind)]

    def _title(self, used: Sequence[Piece]) -> str:
        """'AWS in personal learning: S3, IAM', as much of it as the candidate has said."""
        head = self._gap.title.strip() if len(self._gap.title.split()) <= MAX_HEAD_WORDS else ""
        setting_told = next((setting(piece.quote) for piece in of_roles(self._pieces, Role.CONTEXT)), "")
        where = setting_told.removeprefix("at work")
        named = names_told(self._pieces, self._questions)
        tools = _fitting(named or self._skills(), head)
        deeds = [shortened(resume_style(piece.quote), MAX_TITLE_TOOL_WORDS) for piece in used[:1]]
        openings = [f"{head} {where}".strip(), *([where] if tools else []), *(deeds if named else [])]
        titles = [_titled(opening, tools) for opening in (*filter(None, openings), "")]
        lines = [line for _, line in self._cv.lines()[:1]]
        titles += [*deeds, upper_first(setting_told), *(shortened(line, MAX_TITLE_TOOL_WORDS) for line in lines)]
        sources = sources_of(self._inputs, self._cv)
        borne = [title for title in titles if has_words(title) and not unborne(title, sources)]
        return borne[0] if borne else (titles or [""])[0]

    def _skills(self) -> list[str]:
        """The skills the lexicon knows, in the candidate's words."""
        texts = [" ".join(piece.quote.split()) for piece in self._pieces]
        found = {mention.skill.name: mention.words for text in texts for mention in self._lexicon.mentions(text)}
        return list(found.values())

    def _verbatim(self) -> Answer:
        """The inputs as they came, each in the bullet it is for; the CV's lines where there is none."""
        told = [
            (role_of(name, self._questions.get(name, "")), f"input:{name}", said(value))
            for name, value in self._inputs.items()
            if said(value).strip()
        ]
        told = told or [(Role.DONE, f"cv:{number}", line) for number, line in self._cv.lines()]
        if not told:
            raise InvalidField(field="inputs", fix="Answer at least one of the prompts in a few words.")
        bullets = []
        for place, kind in enumerate(BulletKind):
            fitting = (one for one in told if one[0] in _ROLES[kind])
            _, source, text = next(fitting, told[min(place, len(told) - 1)])
            bullets.append(Bullet(kind=kind, text=text, claims=(Claim(text=text, source=source, quote=text),)))
        return Answer(title=bullets[0].text, bullets=tuple(bullets))


def _tells_an_outcome(piece: Piece, *, has_results: bool) -> bool:
    """Where the results are told, only what says itself that it is one, or is not said of the candidate."""
    if not has_results:
        return bool(OUTCOME.search(piece.quote))
    of_others = not tells_own_deed(piece.quote)
    return bool(CONSEQUENCE.match(piece.quote) or (of_others and OUTCOME.search(piece.quote)))


def _statements(pieces: Sequence[Piece], room: int) -> list[Statement]:
    """The weightiest pieces that fit into `room` words, in the order they were told."""
    kept: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: -piece.weight):
        used = len(piece.quote.split())
        if not kept or used <= room:
            kept.append(piece)
            room -= used
    claims = [piece.claim(numbered(piece) or resume_style(piece.quote)) for piece in pieces if piece in kept]
    unique = {claim.text.casefold(): claim for claim in reversed(claims)}
    return [Statement(text=claim.text, claims=(claim,)) for claim in reversed(unique.values())]


def _fitting(tools: Sequence[str], head: str) -> list[str]:
    """As many of the tools as a title holds."""
    kept: list[str] = []
    for tool in dict.fromkeys(tools):
        words = sum(len(other.split()) for other in (*kept, tool))
        if tool.casefold() != head.casefold() and len(kept) < MAX_TITLE_TOOLS and words <= MAX_TITLE_TOOL_WORDS:
            kept.append(tool)
    return kept


def _titled(opening: str, tools: Sequence[str]) -> str:
    new = [tool for tool in tools if tool.casefold() not in opening.casefold()]
    return ": ".join(part for part in (upper_first(opening), ", ".join(new)) if part)


def _stopped(text: str) -> str:
    return text if text.endswith(("?", ".")) else f"{text}."
