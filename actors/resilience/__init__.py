"""Policies between the typed port and the providers, one a file, each a provider over another."""
