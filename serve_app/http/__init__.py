"""The HTTP API: routes, their bodies and views, errors, limits and event streams."""
