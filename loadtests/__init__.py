"""Load: users who behave, and the stub of the providers they make the service call."""
