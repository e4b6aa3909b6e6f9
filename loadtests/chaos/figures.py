"""A run's outcome in figures, each with whether it is as it has to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loadtests.chaos.drill import Outcome
from loadtests.chaos.notes import COMMITTED, KEPT, STOPPED, of_kind
from tests.faults.history import NEVER, ModelCall

Figures = dict[str, float]
MUST_BE_ZERO = (
    "requests without an answer",
    "acknowledged steps lost",
    "steps doubled",
    "stale commits landed",
    "erased sessions of which something is left",
    "divergent replies to a key",
    "other violations",
    "paid calls repeated after a recorded result",
    "commits refused by Redis after an outage",
)
LOST = frozenset({"lost", "log", "state"})
ERASED = frozenset({"erased"})
DOUBLED = frozenset({"doubled", "one key a transition"})
DIVERGENT = frozenset({"one outcome", "outcome"})
STALE = frozenset({"stale commit"})
REPEATED = frozenset({"repeated model call"})
REFUSALS = frozenset({"fenced", "stale", "gone"})


def figures(outcome: Outcome) -> Figures:
    """By name, in the order of a report."""
    counts, broken = outcome.traffic.counts, Counter(violation.check for violation in outcome.violations)
    told = Counter(note.told[-1] for note in of_kind(outcome.notes, COMMITTED))
    named = LOST | DOUBLED | ERASED | DIVERGENT | STALE | REPEATED
    found: Figures = {
        "seconds": round(outcome.seconds, 1),
        "sessions": outcome.sessions,
        "requests": counts["requests"],
        "duplicate, concurrent or reordered requests": counts["copies"] + counts["rivals"] + counts["repeats"],
        "- copies at the same time": counts["copies"],
        "- rivals under another key": counts["rivals"],
        "- old keys again, in any order": counts["repeats"],
        "replies acknowledged": len(outcome.traffic.steps_at),
        "commits": told["ok"],
        **{f"faults: {kind}": count for kind, count in sorted(Counter(one.kind for one in outcome.faults).items())},
        "requests without an answer": len(outcome.traffic.unanswered),
        "acknowledged steps lost": sum(broken[name] for name in LOST),
        "steps doubled": sum(broken[name] for name in DOUBLED),
        "stale commits landed": sum(broken[name] for name in STALE),
        "erased sessions of which something is left": sum(broken[name] for name in ERASED),
        "divergent replies to a key": sum(broken[name] for name in DIVERGENT),
        "other violations": sum(count for name, count in broken.items() if name not in named),
        "stale attempts stopped by the owner's own lease": len(of_kind(outcome.notes, STOPPED)),
        "stale attempts refused by Redis": sum(told[name] for name in REFUSALS),
        "paid calls": len(outcome.history.model_calls),
        "paid results recorded": len(of_kind(outcome.notes, KEPT)),
        "paid calls repeated after a recorded result": len(repeated_calls(outcome)),
        "commits refused by Redis after an outage": outcome.conflicts,
        "torn journals": outcome.torn,
    }
    found |= _spread("takeover, s", outcome.took_s)
    found |= _spread("takeover during which another fault struck, s", outcome.disturbed_s)
    found |= _spread("recovery after Redis returned, s", recoveries(outcome))
    return found


def broken(found: Figures) -> list[str]:
    """The figures that are not as they have to be."""
    return [name for name in MUST_BE_ZERO if found[name]]


def repeated_calls(outcome: Outcome) -> list[ModelCall]:
    """Of owners that had been replaced without knowing as well, unless they take no notice of their leases."""
    kept = outcome.history.kept
    return [
        call
        for call in outcome.history.model_calls
        if kept.get((call.session_id, call.life, call.name), NEVER) < call.started
        and call.looked != "failed"
        and (call.by_owner or not outcome.setting.believes)
    ]


def recoveries(outcome: Outcome) -> list[float]:
    """From Redis's return until no journal was left and the next commit went straight into it; sorted."""
    commits = [note.at_s for note in of_kind(outcome.notes, COMMITTED) if note.told[-1] == "ok"]
    found = []
    for fault in outcome.faults:
        if fault.settled_s and (after := [at_s for at_s in commits if at_s >= fault.settled_s]):
            found.append(min(after) - fault.undone_s)
    return sorted(found)


def away(outcome: Outcome) -> Figures:
    """Of the outage of a run that had one."""
    (fault,) = outcome.faults
    steps = sum(fault.struck_s <= at_s <= fault.undone_s for at_s in outcome.traffic.steps_at)
    return {
        "Redis away, s": round(fault.undone_s - fault.struck_s, 1),
        "replies acknowledged while Redis was away": steps,
        "frames in the journals when it returned": fault.frames,
        "seconds until the journals were empty": round(fault.settled_s - fault.undone_s, 2),
    }


def _spread(name: str, values: Sequence[float]) -> Figures:
    if not values:
        return {}
    places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    last = len(values) - 1
    spread = {f"{name}: {place}": round(values[round(share * last)], 2) for place, share in places.items()}
    return {f"{name}: count": len(values), **spread}
