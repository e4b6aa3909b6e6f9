"""Questions without a session."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from serve_app.http.bodies import BatchBody, document
from serve_app.http.idempotency import fingerprint
from serve_app.http.problems import documented
from serve_app.http.tenants import Askwell, Key, Tenant
from serve_app.http.views import BatchView
from state.errors import BrokenReply, BudgetSpent, KeyReused, StepTimedOut, StillRunning, WorkUnavailable
from state.flags import assign
from state.messages import Origin, WriteQuestions

router = APIRouter(prefix="/api/questions", tags=["questions"])


@router.post(
    "/batch",
    operation_id="writeQuestions",
    response_model=BatchView,
    responses=documented(StillRunning, KeyReused, WorkUnavailable, StepTimedOut, BrokenReply, BudgetSpent),
)
async def write_questions(
    request: Request, body: BatchBody, askwell: Askwell, tenant: Tenant, key: Key = None
) -> Response:
    """A question for each gap, all at once, highest priority first; one that fails holds up no other."""
    gaps = tuple(gap.gap(n) for n, gap in enumerate(body.gaps, 1))
    flags = assign(tenant, askwell.settings.flag_rollouts)

    async def work() -> bytes:
        outcome = await askwell.generator.write_questions(
            WriteQuestions(
                gaps=gaps,
                cv=document(body.cv),
                job=document(body.job),
                deadline_s=askwell.settings.question_deadline_s,
                concurrently=flags["use_batch_generation"],
                origin=Origin(tenant=tenant, flags=flags),
            )
        )
        return BatchView.of(gaps, outcome).model_dump_json().encode()

    reply = await askwell.calls.once(tenant, key, fingerprint(request, body), work)
    return Response(reply, media_type="application/json")
