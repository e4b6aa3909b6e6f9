"""Routes of the alerts: how they stand, who is on them, and silences. They are the operators'; to others they are not
there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from serve_app.http.bodies import Body
from serve_app.http.idempotency import fingerprint
from serve_app.http.problems import documented
from serve_app.http.tenants import Askwell, Key, Tenant
from state.alerts.book import ALL, Alert, AlertBook, Channel, Silence, acknowledged, silenced, unsilenced
from state.alerts.rules import Rule, Severity
from state.calls import derived_id
from state.errors import InvalidField, KeyReused, NotFound, RecordUnreadable, StillRunning

MINUTES_OF_A_WEEK = 7 * 24 * 60
MOST_SILENCES = 100


async def operator(askwell: Askwell, tenant: Tenant) -> None:
    """Raises `NotFound` for everybody else."""
    if not askwell.settings.is_operator(tenant):
        raise NotFound


router = APIRouter(prefix="/api/alerts", tags=["alerts"], dependencies=[Depends(operator)])
_ONCE = documented(NotFound, StillRunning, KeyReused, RecordUnreadable)
RuleName = Annotated[str, Path(max_length=64)]


class SilenceBody(Body):
    rule: Annotated[str, Field(max_length=64)] = Field(ALL, description="A rule's name; '*' is all of them.")
    minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_A_WEEK)] = 60
    reason: Annotated[str, Field(max_length=200)] = ""


class AlertView(BaseModel):
    """`severity` is what holds now, `told` what was told last; None is nothing. `unknown_since` says since when there
    are too few samples to tell."""

    rule: str
    title: str
    severity: Severity | None
    told: Severity | None
    since: datetime | None
    value: float | None
    unit: str
    limits: dict[Severity, float]
    unknown_since: datetime | None
    silenced: bool
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    causes: tuple[str, ...]
    actions: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule, book: AlertBook, now_ms: int) -> Self:
        alert = book.alerts.get(rule.name, Alert())
        limits = {severity: rule.limit_of(severity) for severity in Severity}
        return cls(
            rule=rule.name,
            title=rule.title,
            severity=alert.severity,
            told=alert.told,
            since=_time(alert.began_ms) if alert.severity else None,
            value=alert.value,
            unit=rule.unit,
            limits={severity: limit.limit for severity, limit in limits.items() if limit},
            unknown_since=_time(alert.unknown_since_ms),
            silenced=any(silence.covers(rule.name, now_ms) for silence in book.silences),
            acknowledged_by=alert.acknowledged_by or None,
            acknowledged_at=_time(alert.acknowledged_ms),
            causes=rule.causes,
            actions=rule.actions,
        )


class SilenceView(BaseModel):
    id: str
    rule: str
    ends_at: datetime
    by: str
    reason: str

    @classmethod
    def of(cls, silence: Silence) -> Self:
        ends_at = datetime.fromtimestamp(silence.ends_ms / 1000, UTC)
        return cls(id=silence.id, rule=silence.rule, ends_at=ends_at, by=silence.by, reason=silence.reason)


class ChannelView(BaseModel):
    """`failures` counts tries that failed; `failing_since` and `error` are of the last one, None where it went well."""

    delivered: int
    failures: int
    failing_since: datetime | None
    error: str | None

    @classmethod
    def of(cls, channel: Channel) -> Self:
        return cls(
            delivered=channel.sent,
            failures=channel.failures,
            failing_since=_time(channel.failing_since_ms),
            error=channel.error or None,
        )


class AlertsView(BaseModel):
    """`undelivered` messages wait for a channel; `dropped` ones were too many."""

    alerts: list[AlertView]
    silences: list[SilenceView]
    channels: Mapping[str, ChannelView]
    incidents: int
    messages: int
    undelivered: int
    dropped: int


@router.get("", operation_id="listAlerts", responses=documented(NotFound, RecordUnreadable))
async def list_alerts(askwell: Askwell) -> AlertsView:
    """Every rule and how it stands, the silences, and how far the channels have come."""
    book, now_ms = await askwell.book.read(), askwell.now_ms()
    return AlertsView(
        alerts=[AlertView.of(rule, book, now_ms) for rule in askwell.rules.values()],
        silences=[SilenceView.of(silence) for silence in book.silences if now_ms < silence.ends_ms],
        channels={name: ChannelView.of(channel) for name, channel in book.channels.items()},
        incidents=book.incidents,
        messages=book.messages,
        undelivered=len(book.undelivered),
        dropped=book.dropped,
    )


@router.put(
    "/{rule}/acknowledgement", operation_id="acknowledgeAlert", responses=documented(NotFound, RecordUnreadable)
)
async def acknowledge(rule: RuleName, askwell: Askwell, tenant: Tenant) -> AlertView:
    """Say that you are on it; it holds until the alert gets worse or is over. 404 where it does not fire."""
    if rule not in askwell.rules:
        raise NotFound
    now_ms = askwell.now_ms()
    book = await askwell.book.change(partial(acknowledged, rule=rule, by=tenant, now_ms=now_ms))
    return AlertView.of(askwell.rules[rule], book, now_ms)


@router.post("/silences", status_code=201, operation_id="silenceAlerts", response_model=SilenceView, responses=_ONCE)
async def silence_alerts(
    request: Request, body: SilenceBody, askwell: Askwell, tenant: Tenant, key: Key = None
) -> Response:
    """Be told nothing of a rule, or of all, for so many minutes; what still differs then is told at once."""
    if body.rule != ALL and body.rule not in askwell.rules:
        raise InvalidField(field="rule", fix=f"name one of {', '.join(askwell.rules)}, or '*'")
    silence_id = askwell.new_id() if key is None else derived_id("silence", tenant, key)

    async def work() -> bytes:
        ends_ms = askwell.now_ms() + body.minutes * 60_000
        silence = Silence(id=silence_id, rule=body.rule, ends_ms=ends_ms, by=tenant, reason=body.reason)
        await askwell.book.change(partial(_silenced, silence=silence, now_ms=askwell.now_ms()))
        return SilenceView.of(silence).model_dump_json().encode()

    reply = await askwell.calls.once(tenant, key, fingerprint(request, body), work)
    return Response(reply, status_code=201, media_type="application/json")


@router.delete(
    "/silences/{silence_id}",
    status_code=204,
    operation_id="endSilence",
    responses=documented(NotFound, RecordUnreadable),
)
async def end_silence(silence_id: Annotated[str, Path(max_length=64)], askwell: Askwell) -> Response:
    """Be told again, of what differs now at once."""
    await askwell.book.change(partial(unsilenced, silence_id=silence_id))
    return Response(status_code=204)


def _silenced(book: AlertBook, *, silence: Silence, now_ms: int) -> AlertBook:
    if sum(now_ms < held.ends_ms for held in book.silences) >= MOST_SILENCES:
        raise InvalidField(field="rule", fix=f"end one of the {MOST_SILENCES} silences first")
    return silenced(book, silence)


def _time(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
