"""What an input is for: read off the id of its prompt, and off words only where the id is not known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from state.model import CriterionName


class Role(StrEnum):
    """What a reply tells. Facts (tools, duration, context) become part of a sentence, the others are sentences."""

    DONE = "done"
    DETAIL = "detail"
    METHOD = "method"
    TOOLS = "tools"
    BESIDE = "beside"
    DURATION = "duration"
    CONTEXT = "context"
    TERMS = "terms"
    RESULT = "result"


FACTS = frozenset({Role.TOOLS, Role.BESIDE, Role.DURATION, Role.CONTEXT, Role.TERMS})

PROMPT_ROLES: Mapping[str, Role] = {
    "context": Role.CONTEXT,
    "duration": Role.DURATION,
    "tools": Role.TOOLS,
    "achievement": Role.DONE,
    "metrics": Role.RESULT,
    "related": Role.BESIDE,
    "scale": Role.TERMS,
    "part": Role.TERMS,
    "applied": Role.TERMS,
    "people": Role.RESULT,
    "role": Role.TERMS,
    "valid_until": Role.TERMS,
    "level": Role.TERMS,
    "qualification": Role.TERMS,
    "availability": Role.TERMS,
}
"""By prompt id: the five usual prompts, and the sixth of each kind of gap."""

FOLLOW_UP_ROLES: Mapping[str, Role] = {
    CriterionName.SPECIFICITY: Role.DETAIL,
    CriterionName.EVIDENCE: Role.RESULT,
    CriterionName.LANGUAGE: Role.DONE,
    CriterionName.RELEVANCE: Role.DETAIL,
}
_FOLLOW_UP = re.compile(r"refine(?P<round>\d{1,4})-\d+-(?P<criterion>\w+)")
_ROLE_WORDS: tuple[tuple[Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        (
            Role.DONE,
            r"achievement|\bwhat (?:exactly )?(?:did|have) you (?:do|done|build|built|make|made|run|write|change)",
        ),
        (Role.RESULT, r"evidence|metric|outcome|result|impact|measur|improve|feedback|chang|benefit|saving"),
        (Role.TOOLS, r"tools?\b|technolog|software|equipment|systems?\b|method|techniqu|stack|framework"),
        (Role.DURATION, r"duration|how.?long|period|(?<![a-z])(?:since|when|dates?)(?![a-z])"),
        (Role.CONTEXT, r"context|setting|where|situation|environment"),
        (Role.DETAIL, r"specificity|scope|scale|size|how.?(?:many|often)|frequency|team|role|responsib|level"),
    )
)


def role_of(prompt_id: str, question: str) -> Role:
    """By the id if it is a usual one or that of a follow-up; else by the words of the id, then of the question."""
    follow_up = _FOLLOW_UP.fullmatch(prompt_id)
    known = FOLLOW_UP_ROLES.get(follow_up["criterion"]) if follow_up else PROMPT_ROLES.get(prompt_id)
    return known or next(
        (role for text in (prompt_id, question) for role, words in _ROLE_WORDS if words.search(text)), Role.DONE
    )


def round_of(prompt_id: str) -> int:
    """The round of refinement that asked for it, 0 for a prompt of the deep dive."""
    follow_up = _FOLLOW_UP.fullmatch(prompt_id)
    return int(follow_up["round"]) if follow_up else 0
