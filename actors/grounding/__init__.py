"""The grounding check: what an answer says that neither the candidate's inputs nor the CV hold."""

from actors.grounding.check import Invention, unborne, ungrounded
from actors.grounding.extractors import EXTRACTORS, Extractor, InventionKind
from actors.grounding.source import Source, folded, said, sources_of

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "Invention",
    "InventionKind",
    "Source",
    "folded",
    "said",
    "sources_of",
    "unborne",
    "ungrounded",
]
