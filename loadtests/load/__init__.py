"""Load scenarios: users who behave, how many of them when, what must hold, and the report."""
