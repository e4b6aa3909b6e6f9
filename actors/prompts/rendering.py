"""From a request to what a model reads of it, laid out so that calls share the longest possible prefix.

The system text is the same for every call of an operation, the context the same for every call of a
session, the task this call's own, from what stays between its calls to what varies most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any, assert_never
from weakref import WeakKeyDictionary

from actors.grounding import said
from actors.llm import Request
from actors.models import tokens_likely
from actors.prompts.legacy import legacy_input_tokens
from actors.prompts.library import OPERATIONS, WORDINGS, Wording
from actors.prompts.markup import escaped, leaf, node, seen
from actors.prompts.schemas import expected, wire
from actors.providers.port import Turn
from state.messages import EvaluateAnswer, FindGaps, RefineAnswer, WriteAnswer, WritePrompts, WriteQuestion
from state.model import Answer, Bullet, CriterionName, Document, Evaluation, Experience, Gap, Inputs, Prompt

_CONTEXTS: WeakKeyDictionary[Document, tuple[str, str]] = WeakKeyDictionary()
"""By CV: the job's text, and the two as a model reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A request in words. `version` is the prompt's name and version ('write_answer/3'), `kind` the name of
    the result's type, `legacy_input_tokens` see `actors.prompts.legacy`."""

    name: str
    version: str
    operation: str
    kind: str
    schema: Mapping[str, Any]
    system: str
    context: str
    task: str
    max_output_tokens: int
    legacy_input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What follows a task whose reply was no use: that reply, and what has to be put right in it."""

    version: str
    turns: tuple[Turn, Turn]


def rendered(request: Request, wordings: Mapping[str, Wording] = WORDINGS) -> Rendered:
    """The request as a model reads it. Same request and wordings, same text."""
    wording = wordings[OPERATIONS[type(request)]]
    context, task = context_of(request.cv, request.job), _task(request, wording)
    items = request.limit if isinstance(request, FindGaps) else 0
    ours = sum(map(len, (wire(wording.schema), wording.system, context, task)))
    return Rendered(
        name=wording.name,
        version=wording.label,
        operation=wording.operation,
        kind=wording.result,
        schema=wording.schema,
        system=wording.system,
        context=context,
        task=task,
        max_output_tokens=wording.max_output_tokens + items * wording.max_output_tokens_each,
        legacy_input_tokens=legacy_input_tokens(request, ours=tokens_likely(ours)),
    )


def repair(prompt: Rendered, reply_text: str, error: str, wordings: Mapping[str, Wording] = WORDINGS) -> Repair:
    """`error` as `parsed` words it ('Answer.bullets.0.kind: enum'). Of the reply, its own turn alone tells
    anything; of the error, nothing that is not a field's name or a kind of fault."""
    wording = wordings["repair"]
    field, _, fault = error.partition(": ")
    if not (_FIELD.fullmatch(field) and _FAULT.fullmatch(fault)):
        field, fault = prompt.kind, "not as the schema has it"
    told = Template(wording.task).substitute(field=field, problem=fault, expected=wire(expected(prompt.kind, field)))
    reply = seen(reply_text).strip() or "{}"  # no provider takes an empty turn
    return Repair(
        version=f"{prompt.version}+{wording.label}",
        turns=(Turn(role="assistant", text=reply), Turn(role="user", text=told)),
    )


def context_of(cv: Document, job: Document) -> str:
    """A session's CV, with the line numbers that claims cite, and its job: the same for every operation.

    Kept for as long as the CV itself is: a session's ten questions are asked about at once.
    """
    kept = _CONTEXTS.get(cv)
    if kept is None or kept[0] != job.text:
        kept = _CONTEXTS[cv] = (job.text, _context(cv, job))
    return kept[1]


def _context(cv: Document, job: Document) -> str:
    numbered = "\n".join(f"{number}: {line}" for number, line in cv.lines())
    plain = "\n".join(line for _, line in job.lines())
    return f"{node('cv', escaped(numbered).splitlines())}\n\n{node('job', escaped(plain).splitlines())}"


def _task(request: Request, wording: Wording) -> str:
    """What varies, then what to do with it, then what was wrong with the last attempt: a second attempt has
    the whole first one for its prefix."""
    blocks = [*_blocks(request), Template(wording.task).substitute(criteria=", ".join(_criteria(request)))]
    if isinstance(request, WriteAnswer | RefineAnswer) and request.refused:
        blocks += [wording.refused, leaf("refused", request.refused)]
    return "\n\n".join(blocks)


def _blocks(request: Request) -> list[str]:
    match request:
        case FindGaps(limit=limit):
            return [leaf("limit", str(limit))]
        case WriteQuestion(gap=gap):
            return [_gap(gap)]
        case WritePrompts(gap=gap, question=question, similar=similar):
            return [_gap(gap), leaf("question", question), _similar(similar)]
        case WriteAnswer(gap=gap, question=question, prompts=prompts, inputs=inputs):
            return [_gap(gap), leaf("question", question), _prompts(prompts), _inputs(inputs)]
        case RefineAnswer(gap=gap, question=question, prompts=prompts, inputs=inputs):
            told = [_gap(gap), leaf("question", question), _prompts(prompts), _inputs(inputs)]
            return [*told, _answer(request.answer, quoted=False), _evaluation(request.evaluation)]
        case EvaluateAnswer(gap=gap, question=question, inputs=inputs, answer=answer):
            return [_gap(gap), leaf("question", question), _inputs(inputs), _answer(answer, quoted=True)]
        case _:
            assert_never(request)


def _criteria(request: Request) -> list[CriterionName]:
    usual = list(CriterionName)
    return usual[::-1] if isinstance(request, EvaluateAnswer) and request.reverse else usual


def _gap(gap: Gap) -> str:
    fields = {
        "title": gap.title,
        "description": gap.description,
        "priority": gap.priority.value,
        "cv_shows": gap.cv_shows,
        "job_asks": gap.job_asks,
        "impact": gap.impact,
        "addressability": gap.addressability.value,
        "skills": ", ".join(gap.skills),
    }
    return node("gap", (leaf(name, text) for name, text in fields.items()))


def _similar(similar: Iterable[Experience]) -> str:
    return node("similar", (leaf("experience", past.text, source=past.source) for past in similar))


def _prompts(prompts: Iterable[Prompt]) -> str:
    return node("prompts", (leaf("prompt", prompt.question, id=prompt.id) for prompt in prompts))


def _inputs(inputs: Inputs) -> str:
    return node("inputs", (leaf("input", said(value), id=name) for name, value in inputs.items()))


def _answer(answer: Answer, *, quoted: bool) -> str:
    """`quoted` shows with each claim the words of its source: whoever judges it needs them."""
    bullets = (node("bullet", _bullet(bullet, quoted=quoted), kind=bullet.kind.value) for bullet in answer.bullets)
    return node("answer", (leaf("title", answer.title), *bullets))


def _bullet(bullet: Bullet, *, quoted: bool) -> Iterator[str]:
    yield leaf("text", bullet.text)
    for claim in bullet.claims:
        quote = {"quote": claim.quote} if quoted else {}
        yield leaf("claim", claim.text, source=claim.source, **quote)


def _evaluation(evaluation: Evaluation) -> str:
    criteria = (leaf("criterion", found.reason, name=found.name.value) for found in evaluation.criteria)
    issues = (leaf("issue", issue.description, label=issue.label) for issue in evaluation.issues)
    suggestions = (leaf("suggestion", wish.help, title=wish.title) for wish in evaluation.suggestions)
    return node("evaluation", (*criteria, *issues, *suggestions))


_FIELD = re.compile(r"[A-Z]\w*(?:\.\w+)*", re.ASCII)
_FAULT = re.compile(r"[a-z][\w ]{0,60}", re.ASCII)
