"""`askwell bench`: what this service costs and how long it takes, measured against a stub of the providers."""
