"""Drafts of answers to hold the grounding check against: true ones in many wordings, and ones with an invention."""

from loadtests.drafts.adversarial import adversarial_drafts
from loadtests.drafts.triples import Draft, Triple, load_triples
from loadtests.drafts.truthful import true_drafts

__all__ = ["Draft", "Triple", "adversarial_drafts", "load_triples", "true_drafts"]
