"""The skills lexicon: which skills a text names, found by whole words in one pass over a token trie.

A name or an alias may carry a mark in front: `=Go` matches in exactly this case, and a skill called
`~Drivers' hours` is never matched by its name, only by its aliases. Marks are gone from every `Skill`
that a `Lexicon` gives back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files

EXACT, SILENT = "=", "~"
TOKEN = re.compile(r"(?<![^\W_])\.?[^\W_]+(?:(?:\+{1,2}|#)(?![^\W_]))?")
GAP = re.compile(r"[ \t\u00a0]{1,3}|[ \t]{0,3}\r?\n[ \t]{0,8}|[-‐‑–/.&'’_]|[ \t][-‐‑–/&][ \t]")
BOUND = re.compile(r"[_@]")
CLINGING = re.compile(r"[-‐‑&'’_@]")
FOLLOWER = re.compile(r" ([a-z]{2,7})\b")
VERB_FOLLOWERS = frozenset(
    {"to", "in", "at", "the", "above", "beyond", "further", "out", "home", "through", "on", "your", "our"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """`kind` says what it is (tool, language, certification ...), `field` which trade it belongs to."""

    name: str
    kind: str
    field: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Where a text names a skill: `text[start:end] == words`."""

    skill: Skill
    words: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """The end of a path in the trie; `exact` holds the tokens whose case must agree."""

    skill: Skill
    exact: tuple[str, ...] = ()


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    entries: list[_Entry] = field(default_factory=list)


class Lexicon:
    """Skills and every way to name them. Where two skills share a way, the first one given has it."""

    def __init__(self, skills: Iterable[Skill]) -> None:
        self._root = _Node()
        self._by_name: dict[str, Skill] = {}
        for marked in skills:
            skill = _unmarked(marked)
            self._by_name.setdefault(skill.name.casefold(), skill)
            for way in (marked.name, *marked.aliases):
                if not way.startswith(SILENT):
                    self._add(way, skill)
        self.skills: tuple[Skill, ...] = tuple(self._by_name.values())

    @classmethod
    def shipped(cls) -> Lexicon:
        """The lexicon in `actors/data/skills.tsv`: name, kind, field, aliases separated by '|'."""
        rows = (files("actors") / "data" / "skills.tsv").read_text("utf-8").splitlines()
        return cls(_parsed(row) for row in rows if row.strip() and not row.startswith(("#", "name\t")))

    def skill(self, name: str) -> Skill | None:
        """The skill of this canonical name, in any case."""
        return self._by_name.get(name.strip().casefold())

    def mentions(self, text: str) -> list[Mention]:
        """Every skill named, in text order: whole words, the longest match at a place, no overlaps."""
        tokens = list(TOKEN.finditer(text))
        folded = [_fold(token.group()) for token in tokens]
        found: list[Mention] = []
        place = 0
        while place < len(tokens):
            match = self._longest(text, tokens, folded, place)
            if match is None:
                place += 1
                continue
            skill, length = match
            start, end = tokens[place].start(), tokens[place + length - 1].end()
            found.append(Mention(skill=skill, words=text[start:end], start=start, end=end))
            place += length
        return found

    def neighbours(self, skill: Skill, limit: int) -> tuple[Skill, ...]:
        """Skills of the same field and kind that share words with it, those that share most first."""
        words = _words(skill)
        shared = {
            other: len(words & _words(other))
            for other in self.skills
            if (other.field, other.kind) == (skill.field, skill.kind) and other.name != skill.name
        }
        kin = sorted((other for other, count in shared.items() if count), key=lambda other: -shared[other])
        return tuple(kin[:limit])

    def _add(self, way: str, skill: Skill) -> None:
        exact = way.startswith(EXACT)
        plain = way.lstrip(EXACT)
        raw = tuple(TOKEN.findall(plain))
        if not raw:
            return
        entry = _Entry(skill=skill, exact=raw if exact else ())
        self._insert(tuple(map(_fold, raw)), entry)
        if not exact and len(raw) == 2 and any(mark in plain for mark in "-."):
            self._insert((_fold("".join(raw)),), entry)

    def _insert(self, path: tuple[str, ...], entry: _Entry) -> None:
        node = self._root
        for token in path:
            node = node.children.setdefault(token, _Node())
        if all(other.exact != entry.exact for other in node.entries):
            node.entries.append(entry)
            node.entries.sort(key=lambda other: not other.exact)

    def _longest(
        self, text: str, tokens: list[re.Match[str]], folded: list[str], place: int
    ) -> tuple[Skill, int] | None:
        node = self._root.children.get(folded[place])
        best: tuple[Skill, int] | None = None
        length = 1
        while node is not None:
            for entry in node.entries:
                if _stands(text, tokens[place : place + length], entry):
                    best = entry.skill, length
                    break
            following = place + length
            if following == len(tokens):
                break
            gap = text[tokens[following - 1].end() : tokens[following].start()]
            if gap and not GAP.fullmatch(gap):
                break
            node = node.children.get(folded[following])
            length += 1
        return best


def _parsed(row: str) -> Skill:
    name, kind, trade, aliases = (*row.split("\t"), "", "", "")[:4]
    ways = tuple(alias.strip() for alias in aliases.split("|") if alias.strip())
    return Skill(name=name.strip(), kind=kind.strip(), field=trade.strip(), aliases=ways)


def _unmarked(skill: Skill) -> Skill:
    return Skill(
        name=skill.name.lstrip(EXACT + SILENT),
        kind=skill.kind,
        field=skill.field,
        aliases=tuple(alias.lstrip(EXACT + SILENT) for alias in skill.aliases),
    )


def _words(skill: Skill) -> frozenset[str]:
    """The words of a skill's name and aliases, but for the smallest."""
    ways = " ".join((skill.name, *skill.aliases))
    return frozenset(_fold(token) for token in TOKEN.findall(ways) if len(token) > 3)


def _fold(token: str) -> str:
    """The token without case and without a plural ending; 'APIs' and 'api' fold to the same."""
    word = token.casefold()
    if len(word) < 4 or word[-1] != "s" or word.endswith(("ss", "us", "aas")):
        return word
    if word.endswith("is") and len(word) > 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


def _stands(text: str, tokens: list[re.Match[str]], entry: _Entry) -> bool:
    """Whether the words around a match leave it a word of its own, in the case that the entry wants."""
    start, end = tokens[0].start(), tokens[-1].end()
    around = text[max(start - 1, 0) : start], text[end : end + 1]
    clinging = CLINGING if entry.exact and end - start <= 2 else BOUND
    if any(clinging.match(mark) for mark in around):
        return False
    if not entry.exact:
        return True
    raw = tuple(token.group() for token in tokens)
    if raw != entry.exact and raw != (*entry.exact[:-1], entry.exact[-1] + "s"):
        return False
    return not _reads_as_a_verb(text, tokens)


def _reads_as_a_verb(text: str, tokens: list[re.Match[str]]) -> bool:
    """'Excel in ...' or 'Go to ...' at the start of a line: a capital that the line gave it."""
    start, end = tokens[0].start(), tokens[0].end()
    before = text[max(start - 20, 0) : start].rpartition("\n")[2]
    if len(tokens) > 1 or any(mark.isalnum() for mark in before):
        return False
    following = FOLLOWER.match(text, end)
    return bool(following and following.group(1) in VERB_FOLLOWERS)
