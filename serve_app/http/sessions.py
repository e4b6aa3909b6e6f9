"""Routes of sessions and their questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel

from serve_app.http.bodies import ExperienceBody, InputsBody, SessionBody, document
from serve_app.http.idempotency import caller
from serve_app.http.problems import documented
from serve_app.http.service import Service
from serve_app.http.tenants import Askwell, Key, Tenant
from serve_app.http.views import QuestionView, ReceiptView, SessionView
from state.calls import derived_id
from state.errors import (
    BrokenReply,
    BudgetSpent,
    Erased,
    Fenced,
    KeyReused,
    NotFound,
    SessionFull,
    StepNotOpen,
    StepTimedOut,
    StillRunning,
    WorkUnavailable,
)
from state.events import QuestionEvent
from state.session_actor import OpenSession, Reply

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
SessionId = Annotated[str, Path(max_length=64)]
QuestionId = Annotated[str, Path(max_length=64)]

_WORK = (StillRunning, KeyReused, Fenced, WorkUnavailable, StepTimedOut, BrokenReply, BudgetSpent)
_REPLY = documented(NotFound, StepNotOpen, SessionFull, *_WORK)


@router.post("", status_code=201, operation_id="createSession", responses=documented(Erased, *_WORK))
async def create_session(
    request: Request, body: SessionBody, askwell: Askwell, tenant: Tenant, key: Key = None
) -> SessionView:
    """Compare a CV with a job and write a question for every gap, highest priority first."""
    opening = OpenSession(
        session_id=askwell.new_id() if key is None else derived_id("session", tenant, key),
        caller=caller(request, tenant, key, body),
        user=body.user,
        cv=document(body.cv),
        job=document(body.job),
        gaps=None if body.gaps is None else tuple(gap.gap(n) for n, gap in enumerate(body.gaps, 1)),
        max_questions=body.max_questions,
    )
    return SessionView.of(await askwell.sessions.create(opening))


@router.get("/{session_id}", operation_id="getSession", responses=documented(NotFound, Fenced))
async def get_session(session_id: SessionId, askwell: Askwell, tenant: Tenant) -> SessionView:
    """Everything needed to resume the interview."""
    return SessionView.of(await askwell.sessions.read(tenant, session_id))


@router.delete(
    "/{session_id}",
    operation_id="deleteSession",
    responses=documented(NotFound, Fenced, WorkUnavailable),
)
async def delete_session(session_id: SessionId, askwell: Askwell, tenant: Tenant) -> ReceiptView:
    """Stop the session's work and erase all that is kept of it; the receipt, also when asked again."""
    return ReceiptView.of(await askwell.sessions.erase(tenant, session_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionCall:
    """A candidate's reply on its way to the owner of the session."""

    request: Request
    session_id: str
    question_id: str
    askwell: Service
    tenant: str
    key: str | None

    async def reply(self, body: BaseModel, event: QuestionEvent) -> QuestionView:
        reply = Reply(
            session_id=self.session_id,
            question_id=self.question_id,
            caller=caller(self.request, self.tenant, self.key, body),
            event=event,
        )
        return QuestionView.of(await self.askwell.sessions.reply(reply))


async def question_call(  # noqa: PLR0917 - FastAPI reads the dependency's parameters
    request: Request, session_id: SessionId, question_id: QuestionId, askwell: Askwell, tenant: Tenant, key: Key = None
) -> QuestionCall:
    return QuestionCall(
        request=request, session_id=session_id, question_id=question_id, askwell=askwell, tenant=tenant, key=key
    )


Call = Annotated[QuestionCall, Depends(question_call)]


@router.post("/{session_id}/questions/{question_id}/experience", operation_id="replyExperience", responses=_REPLY)
async def reply_experience(body: ExperienceBody, call: Call) -> QuestionView:
    """Say whether there is experience: 'no' skips, 'willing_to_learn' brings resources, 'yes' prompts."""
    return await call.reply(body, body.event)


@router.post("/{session_id}/questions/{question_id}/inputs", operation_id="giveInputs", responses=_REPLY)
async def give_inputs(body: InputsBody, call: Call) -> QuestionView:
    """Answer the prompts: the answer is written from the inputs and the CV alone, then scored."""
    return await call.reply(body, body.given)


@router.post("/{session_id}/questions/{question_id}/refinement", operation_id="giveRefinement", responses=_REPLY)
async def give_refinement(body: InputsBody, call: Call) -> QuestionView:
    """Answer the follow-ups of an answer that fell short; at most twice."""
    return await call.reply(body, body.refined)
