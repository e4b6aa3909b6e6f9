"""The offline provider: deterministic rules over a skills lexicon and embeddings; no network, no key."""
