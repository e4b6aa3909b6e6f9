"""Tells a model what of its answer was refused, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from actors.grounding.check import Invention
from actors.grounding.extractors import InventionKind

MAX_WORDS = 30
"""Of each refused piece so many words are repeated."""

_WHY: Mapping[InventionKind, str] = {
    InventionKind.SOURCE: "These claims name a source that does not exist. Name an input as 'input:ID' or a CV line as 'cv:LINE'",
    InventionKind.QUOTE: "These words were quoted, but do not stand in the source named",
    InventionKind.CLAIM: "These claims do not stand word for word in the text of their bullet",
    InventionKind.BASIS: "These claims have nothing in common with the source they name. Name the source they rest on, or leave them out",
    InventionKind.NUMBER: "No input and no CV line holds these figures, amounts or durations",
    InventionKind.BOUND: "The source gives the figure itself, not 'more than' or 'less than' it",
    InventionKind.COUNT: "The sources do not count these things so",
    InventionKind.DATE: "No input and no CV line holds these dates",
    InventionKind.NAME: "No input and no CV line holds these names",
    InventionKind.TOOL: "No input and no CV line names these tools, methods or certificates",
    InventionKind.EMPLOYER: "No input and no CV line names these employers or organisations",
    InventionKind.TITLE: "The candidate is nowhere said to have held these posts",
    InventionKind.SENIORITY: "Nothing says that the candidate had this seniority, authority or standing",
    InventionKind.AGENCY: "The sources do not say that the candidate led or did this alone. Say 'helped' or 'took part' where they do",
    InventionKind.OUTCOME: "The sources do not tell of these outcomes, or not in this direction",
    InventionKind.DENIAL: "Nothing says that this did not happen",
    InventionKind.RECOGNITION: "Nothing tells of this praise, award or adoption by others",
    InventionKind.CREDENTIAL: "No input and no CV line holds these qualifications",
    InventionKind.SUPERLATIVE: "Nothing bears out these superlatives",
    InventionKind.SCOPE: "Nothing says that it reached this far",
    InventionKind.FREQUENCY: "Nothing says that it was this often or this long",
    InventionKind.ACTIVITY: "The sources do not tell of these activities",
    InventionKind.UNTOLD: "No input and no CV line says anything of this",
}


def refusal(inventions: Sequence[Invention]) -> str:
    """The refused words, kind by kind and each with its reason, as text for the next prompt; '' for none.

    It repeats the answer's own words: for a prompt alone, never for a log. Nothing in it is escaped.
    """
    if not inventions:
        return ""
    ordered = sorted(inventions, key=lambda invention: list(InventionKind).index(invention.kind))
    lines = [
        f"- {_WHY[kind]}: {'; '.join(_quoted(invention.words) for invention in of_kind)}."
        for kind, of_kind in groupby(ordered, key=lambda invention: invention.kind)
    ]
    return "\n".join(
        (
            "The answer was refused: it says what neither the inputs nor the CV say.",
            *lines,
            "Write the answer again. Leave each of these out or replace it by what the sources do say; add nothing else.",
        )
    )


def _quoted(words: str) -> str:
    every = words.split()
    return f"“{' '.join(every[:MAX_WORDS])}{' …' if len(every) > MAX_WORDS else ''}”"
