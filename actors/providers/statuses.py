"""What an HTTP status of a provider means."""

from __future__ import annotations

from actors.providers.port import Fault

_TOO_MANY_REQUESTS = 429
_PASSING = frozenset({408, 409})
_OF_THE_REQUEST = frozenset({400, 413, 415, 422})
_FIRST_OF_THE_SERVERS = 500


def fault_of(status: int, *, quota_spent: bool = False) -> Fault:
    """Of a status other than success. `quota_spent` tells a 429 that waiting does not mend from one that it does."""
    if status == _TOO_MANY_REQUESTS:
        return Fault.QUOTA_SPENT if quota_spent else Fault.THROTTLED
    if status in _PASSING or status >= _FIRST_OF_THE_SERVERS:
        return Fault.FAILING
    return Fault.UNFIT if status in _OF_THE_REQUEST else Fault.TURNED_DOWN
