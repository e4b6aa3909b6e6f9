"""Drills: the service with real providers' SDKs against the stub, put under faults and counted out."""
