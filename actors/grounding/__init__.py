"""The grounding check: what an answer says that neither the candidate's inputs nor the CV hold."""

from actors.grounding.check import RULES, Invention, Rules, unborne, ungrounded
from actors.grounding.extractors import EXTRACTORS, Extractor, InventionKind
from actors.grounding.feedback import refusal
from actors.grounding.source import Source, folded, said, sources_of
from actors.grounding.sourcing import with_quotes

__all__ = [
    "EXTRACTORS",
    "RULES",
    "Extractor",
    "Invention",
    "InventionKind",
    "Rules",
    "Source",
    "folded",
    "refusal",
    "said",
    "sources_of",
    "unborne",
    "ungrounded",
    "with_quotes",
]
