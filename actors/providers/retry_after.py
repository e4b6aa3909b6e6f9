"""When a provider wishes to be asked again, as its HTTP headers say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 86_400.0


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from 0 to a day, None where nothing that can be read is said.

    `retry-after-ms` counts before `Retry-After`, whose date is measured against the reply's own `Date`.
    `headers` finds its names in any case.
    """
    exact = bounded(headers.get("retry-after-ms", ""), unit_s=0.001)
    if exact is not None:
        return exact
    value = headers.get("retry-after", "")
    seconds = bounded(value)
    if seconds is not None:
        return seconds
    then, now = _unix_s(value), _unix_s(headers.get("date", ""))
    return None if then is None or now is None else _between(then - now)


def bounded(number: str, *, unit_s: float = 1.0) -> float | None:
    """A decimal number of units as seconds from 0 to a day; None for what is no finite number."""
    try:
        return _between(float(number) * unit_s)
    except ValueError:
        return None


def _between(seconds: float) -> float | None:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


def _unix_s(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (ValueError, OverflowError):
        return None
