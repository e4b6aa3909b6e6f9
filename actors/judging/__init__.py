"""How far a judge can be trusted: a gold set of rated answers, agreement statistics, probes for bias."""
