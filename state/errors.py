"""Every error Askwell raises, split by what the caller does next.

    AskwellError
    ├── FixRequest             the request is wrong; the same one will fail again
    │   ├── InvalidField       a value is missing, malformed or too large; names the field and the fix
    │   ├── Unauthorized       no API key, or one that names no tenant
    │   ├── NotFound           the id is unknown here, or belongs to someone else
    │   ├── Erased             what the Idempotency-Key stands for was erased
    │   ├── StepNotOpen        the workflow does not accept this event now; names the open step
    │   ├── StillRunning       the step that this request repeats or races has not ended yet
    │   ├── KeyReused          the Idempotency-Key came before with another request
    │   └── SessionFull        the session has taken as many steps as one may
    ├── RetryLater             nothing is wrong with the request, and nothing was lost; try again
    │   ├── StoreUnavailable   Redis did not answer, so whether the write happened is unknown
    │   │   └── Unconfirmed    Redis did, but too few copies are known to have the write
    │   ├── Fenced             another owner has taken the session over
    │   ├── OwnedElsewhere     another owner holds the session; names it
    │   ├── WorkUnavailable    a pool, a provider or the vector store cannot do the work now
    │   ├── BrokenReply        a provider's replies do not have the promised shape; the next one may
    │   ├── BudgetSpent        the tenant's tokens for the day are used up
    │   ├── StepTimedOut       the work did not end within its deadline
    │   ├── Degraded           a part works, with less than it should have
    │   └── Overloaded         the service has no room for another request
    └── Broken                 neither the caller nor time mends it; an operator has to look
        └── RecordUnreadable   a stored record is corrupt, or newer than this version of Askwell

Messages name fields, ids and steps; they never quote a CV, a job, a prompt or a completion, because
they end up in logs. Every error survives pickling, so that it crosses processes whole.
"""

from __future__ import annotations

from typing import Any


class AskwellError(Exception):
    """The root of the tree. Keyword arguments become attributes and survive pickling."""

    message = "Askwell failed."

    def __init__(self, message: str = "", **data: Any) -> None:
        super().__init__(message or self.message)
        self.data = data
        for name, value in data.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), self.data)


def _rebuild(kind: type[AskwellError], message: str, data: dict[str, Any]) -> AskwellError:
    return kind(message, **data)


class FixRequest(AskwellError):
    """The request has to change before it can succeed."""


class InvalidField(FixRequest):
    """`field` is a dotted path into the request, `fix` says what would be accepted."""

    field: str
    fix: str

    def __init__(self, message: str = "", *, field: str, fix: str) -> None:
        super().__init__(message or f"{field}: {fix}", field=field, fix=fix)


class Unauthorized(FixRequest):
    message = "Send a known API key as 'Authorization: Bearer KEY'."


class NotFound(FixRequest):
    """Deliberately silent about whether the id exists for someone else."""

    message = "There is nothing here under this id."


class Erased(FixRequest):
    message = "The session that this Idempotency-Key opened was erased. Open another one with a new key."


class StepNotOpen(FixRequest):
    """`step` is where the question is, `accepts` the names of the events open there."""

    step: str
    accepts: tuple[str, ...]

    def __init__(self, message: str = "", *, step: str, accepts: tuple[str, ...]) -> None:
        open_now = ", ".join(accepts) or "nothing, it is finished"
        super().__init__(message or f"The open step is {step}; it accepts {open_now}.", step=step, accepts=accepts)


class StillRunning(FixRequest):
    message = "This step is still running. Ask again in a moment, or watch the session's events."
    retry_after_s = 1.0


class KeyReused(FixRequest):
    message = "This Idempotency-Key was used before with another request. Use a new key."


class SessionFull(FixRequest):
    message = "This session has taken as many steps as one may. Open a new one."


class RetryLater(AskwellError):
    """The same request, with the same Idempotency-Key, may succeed after `retry_after_s`."""

    message = "Temporarily unavailable."
    retry_after_s: float

    def __init__(self, message: str = "", *, retry_after_s: float = 1.0, **data: Any) -> None:
        super().__init__(message, retry_after_s=retry_after_s, **data)


class StoreUnavailable(RetryLater):
    message = "The session store did not answer."


class Unconfirmed(StoreUnavailable):
    message = "Too few copies confirmed the write, so whether it lasts is unknown."


class Fenced(RetryLater):
    message = "The session has moved to another owner."


class OwnedElsewhere(RetryLater):
    """`owner` is the id of the owner that holds the session (`state.lease`)."""

    message = "The session is held by another owner."
    owner: str


class WorkUnavailable(RetryLater):
    message = "No one can do this work right now."


class Throttled(WorkUnavailable):
    message = "The provider takes no more calls at the moment."


class BrokenReply(RetryLater):
    message = "The provider's reply does not have the promised shape."


class BudgetSpent(RetryLater):
    message = "The tenant's budget for today is used up."


class StepTimedOut(RetryLater):
    message = "The work did not end within its deadline; the step is open again."


class Degraded(RetryLater):
    message = "A part of the service works with less than it should have."


class Overloaded(RetryLater):
    message = "The service is at its limit."


class TenantOverloaded(Overloaded):
    message = "This tenant has more requests under way than its share of a service at its limit."


class Broken(AskwellError):
    """An operator has to look."""


class RecordUnreadable(Broken):
    message = "A stored record cannot be read by this version of Askwell."
