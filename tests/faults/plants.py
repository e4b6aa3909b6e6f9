"""Faults to be planted in the engine, each one check left out or one order turned round, at a seam that it has.

What the simulation and its checker are worth is shown by them: each must be caught, and the engine without them not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from state.backend import script_text
from tests.faults.actor import Engine
from tests.faults.faulty import (
    AnswersFirst,
    CommitsAgain,
    ErasesNothing,
    ForeignJournals,
    ForgottenOutcomes,
    KeepsCopy,
    LeaseAnew,
    LeaseForEver,
    LeaseHearsay,
    LeavesVectors,
    LetsGoAtOnce,
    NobodysLease,
    NothingPaid,
    ReadsAhead,
    ReplaysBackwards,
    ReplaysNothing,
    ReplaysTwice,
    RepliesAnew,
    UncheckedWait,
    UnknownIsSuccess,
    owning,
)
from tests.faults.lua import Scripts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """`profile` is the trouble under which it shows soonest; `what` says what was taken out."""

    name: str
    what: str
    profile: str
    engine: Engine


def rewritten(script: str, before: str, after: str) -> Scripts:
    """The package's scripts with a piece of one replaced; the piece has to be there."""
    text = script_text(script)
    assert before in text, f"{script} has changed: plant the fault anew"
    return Scripts({script: text.replace(before, after)})


_FENCING = "elseif held[1] ~= epoch or (held[3] or '') ~= owner then\n  return 'fenced'\n"
_VERSION = "elseif held[2] ~= before then\n  return 'stale'\n"
_HELD = "if former ~= '' and former ~= ARGV[2] and former ~= ARGV[3] then return {'held', former} end\n"
_SEEN = "if held[4] ~= ARGV[5] then return {'seen', held[4]} end\n"
_DELETED = "redis.call('DEL', unpack(KEYS))"

PLANTS: Sequence[Plant] = (
    Plant(
        name="no fencing",
        what="commit.lua asks neither for the epoch nor for the owner",
        profile="freezes",
        engine=Engine(scripts=rewritten("commit.lua", _FENCING, "")),
    ),
    Plant(
        name="no version check",
        what="commit.lua does not ask for the version, and logs what comes",
        profile="network",
        engine=Engine(scripts=rewritten("commit.lua", _VERSION, "")),
    ),
    Plant(
        name="no lease",
        what="claim.lua takes a session from an owner whose lease stands",
        profile="cuts",
        engine=Engine(scripts=rewritten("claim.lua", _HELD, "")),
    ),
    Plant(
        name="leases taken for ended",
        what="nobody looks whether another's lease has ended",
        profile="cuts",
        engine=Engine(lease=NobodysLease),
    ),
    Plant(
        name="lease without end",
        what="an owner trusts its lease whatever its clock says",
        profile="cuts",
        engine=Engine(lease=LeaseForEver),
    ),
    Plant(
        name="lease begun anew",
        what="an owner that has lost its lease goes on with its copies",
        profile="cuts",
        engine=Engine(lease=LeaseAnew),
    ),
    Plant(
        name="lease by hearsay",
        what="a primary that was replaced is believed about a lease",
        profile="failover",
        engine=Engine(lease=LeaseHearsay),
    ),
    Plant(
        name="late claims",
        what="claim.lua does not ask for the epoch that was seen",
        profile="resent",
        engine=Engine(scripts=rewritten("claim.lua", _SEEN, "")),
    ),
    Plant(
        name="WAIT unchecked",
        what="a short reply to WAIT is taken for a whole one",
        profile="failover",
        engine=Engine(link=UncheckedWait),
    ),
    Plant(
        name="watchers read ahead",
        what="the log is read past the confirmed version",
        profile="failover",
        engine=Engine(state=owning(ReadsAhead)),
    ),
    Plant(
        name="journal replayed twice",
        what="nobody asks whether Redis has a journal's commit already",
        profile="outage",
        engine=Engine(outage=ReplaysTwice),
    ),
    Plant(
        name="journal not replayed",
        what="a journal is deleted unread",
        profile="outage",
        engine=Engine(outage=ReplaysNothing),
    ),
    Plant(
        name="journal backwards",
        what="the last commit is replayed first",
        profile="outage",
        engine=Engine(outage=ReplaysBackwards),
    ),
    Plant(
        name="foreign journals",
        what="a claim does not look for the former owner's journal",
        profile="outage",
        engine=Engine(outage=ForeignJournals),
    ),
    Plant(
        name="let go too early",
        what="a session is released while the journal holds commits of it",
        profile="resent",
        engine=Engine(state=owning(LetsGoAtOnce)),
    ),
    Plant(
        name="answer before commit",
        what="a step is acknowledged before it is committed",
        profile="crashes",
        engine=Engine(state=owning(AnswersFirst)),
    ),
    Plant(
        name="copy kept",
        what="a copy is not dropped after a refusal",
        profile="network",
        engine=Engine(state=owning(KeepsCopy)),
    ),
    Plant(
        name="unknown is success",
        what="a commit without an answer is taken for done",
        profile="network",
        engine=Engine(store=UnknownIsSuccess),
    ),
    Plant(
        name="blind retry",
        what="a commit without an answer is made again under the next version",
        profile="network",
        engine=Engine(store=CommitsAgain),
    ),
    Plant(
        name="outcomes not kept",
        what="the record does not hold what became of a key",
        profile="crashes",
        engine=Engine(store=ForgottenOutcomes),
    ),
    Plant(
        name="reply made anew",
        what="a repeated key is answered from the present state",
        profile="network",
        engine=Engine(state=RepliesAnew),
    ),
    Plant(
        name="paid results not found",
        what="whoever goes on with a step asks for everything again",
        profile="crashes",
        engine=Engine(paid=NothingPaid),
    ),
    Plant(
        name="erase leaves outcomes",
        what="erase.lua deletes the record alone",
        profile="erasure",
        engine=Engine(scripts=rewritten("erase.lua", _DELETED, "redis.call('DEL', KEYS[1], KEYS[2])")),
    ),
    Plant(
        name="erase leaves vectors",
        what="what was remembered of a session is not forgotten",
        profile="erasure",
        engine=Engine(state=LeavesVectors),
    ),
    Plant(
        name="erase of nothing",
        what="an erasure is acknowledged and not done",
        profile="erasure",
        engine=Engine(state=ErasesNothing),
    ),
)
