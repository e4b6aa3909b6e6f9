"""The same request in the layout that the cost dashboard compares with: short prompts without CV and job.

Four operations have such a prompt. Each is a system text of 150 to 235 tokens with the variables in its
middle, cut at 200 characters, followed by a JSON schema, and a user message of one line. The CV is a count
of jobs, the job its title; a batch is one call for each gap. No two calls share a prefix that is long
enough to be cached.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from actors.grounding import said
from actors.llm import Request
from state.messages import EvaluateAnswer, RefineAnswer, WriteAnswer, WriteQuestion
from state.model import Document, Gap, Inputs

MAX_VARIABLE = 200
CHARACTERS_PER_TOKEN = 4.6
"""Of filled prompts, with OpenAI's o200k: 4.4 to 4.6. So the estimate is rather too short than too long."""


def legacy_input_tokens(request: Request, *, ours: int) -> int:
    """The estimated tokens of the request in that layout, or `ours` for an operation that it does not have."""
    text = legacy_text(request)
    return ours if text is None else int(len(text) / CHARACTERS_PER_TOKEN)


def legacy_text(request: Request) -> str | None:
    """All that would be sent, None for an operation without such a prompt."""
    match request:
        case WriteQuestion(gap=gap):
            return _filled(_QUESTION, _QUESTION_SCHEMA, "Generate the question.", _about(gap, request.job))
        case WriteAnswer(gap=gap, question=question, inputs=inputs):
            told = {"question": question, "inputs": _listed(inputs)}
            return _filled(_ANSWER, _ANSWER_SCHEMA, "Generate the answer.", _about(gap, request.job) | told)
        case RefineAnswer(gap=gap, inputs=inputs, answer=answer, evaluation=evaluation):
            issues = "; ".join(issue.description for issue in evaluation.issues)
            told = {"answer": answer.text, "issues": issues, "inputs": _listed(inputs)}
            return _filled(_REFINEMENT, _ANSWER_SCHEMA, "Refine the answer.", _about(gap, request.job) | told)
        case EvaluateAnswer(gap=gap, question=question, answer=answer):
            told = {"question": question, "answer": answer.text}
            return _filled(_EVALUATION, _EVALUATION_SCHEMA, "Evaluate the answer.", _about(gap, request.job) | told)
        case _:
            return None


def _about(gap: Gap, job: Document) -> dict[str, str]:
    title = next((line for _, line in job.lines()), "")
    return {
        "title": gap.title,
        "description": gap.description,
        "priority": gap.priority.value,
        "shows": gap.cv_shows,
        "asks": gap.job_asks,
        "job": title,
        "jobs": "3",  # any count is one token
    }


def _listed(inputs: Inputs) -> str:
    return ", ".join(f"{name}: {said(value)}" for name, value in inputs.items())


def _filled(prompt: str, schema: str, user: str, variables: Mapping[str, str]) -> str:
    cut = {name: text[:MAX_VARIABLE] for name, text in variables.items()}
    return f"{Template(prompt).substitute(cut)}\n\nRespond with JSON matching this schema:\n{schema}\n{user}"


_QUESTION = """\
You are an expert career coach who helps candidates uncover experience that their CV does not show. \
Generate one targeted question about a gap between a candidate's CV and a job description.

Role: $job
Candidate: $jobs previous jobs
Gap: $title
Description: $description
Priority: $priority
CV shows: $shows
Job asks: $asks

Guidelines:
1. Be specific to the gap and the role.
2. Be encouraging, and do not assume that the candidate lacks the experience.
3. Invite concrete examples: projects, tools, results.
4. Explain briefly why the question matters for the application.
5. Choose the answer type that fits: text, structured or both.
6. Estimate the minutes that a good answer takes, from 1 to 5.

Keep the question short and conversational. Do not ask for several things at once. Use plain language, and \
address the candidate directly."""

_ANSWER = """\
You are an expert resume writer. Turn a candidate's replies into a professional, resume-ready answer that \
addresses a gap between the CV and the job.

Role: $job
Candidate: $jobs previous jobs
Gap: $title
Description: $description
Priority: $priority
CV shows: $shows
Job asks: $asks
Question: $question
Replies: $inputs

Guidelines:
1. Start with a title that names the project and its technologies.
2. Write three bullet points: what was built, how it was engineered, what its impact was.
3. Start each bullet with a strong action verb.
4. Use the numbers and tools from the replies.
5. Keep a professional tone and avoid filler words.
6. Keep each bullet to one or two lines.

Write in the first person without pronouns, as is usual in resumes."""

_REFINEMENT = """\
You are an expert resume writer. Improve an answer that did not reach the required quality, using the \
additional information that the candidate has given.

Role: $job
Candidate: $jobs previous jobs
Gap: $title
Description: $description
Priority: $priority
CV shows: $shows
Job asks: $asks
Current answer: $answer
Quality issues: $issues
Additional information: $inputs

Guidelines:
1. Address every quality issue.
2. Work the additional information in naturally.
3. Keep what already works in the current answer.
4. Add metrics, tools and context where they are given.
5. Keep the structure: a title and three bullet points.
6. Keep a professional tone, and start each bullet with a strong action verb.

Return the whole refined answer, not only what has changed."""

_EVALUATION = """\
You are an expert resume reviewer. Evaluate the quality of an answer that addresses a gap between a CV and \
a job.

Role: $job
Candidate: $jobs previous jobs
Gap: $title
Description: $description
Priority: $priority
CV shows: $shows
Job asks: $asks
Question: $question
Answer: $answer

Criteria:
1. Specificity (30%): concrete details, tools and context.
2. Evidence (30%): metrics, outcomes and results.
3. Professional language (20%): clarity, tone and action verbs.
4. Relevance (20%): how directly it addresses the gap.

Score from 1 to 10. A score of 7 or more is acceptable. List the issues and the strengths, and suggest \
improvements with examples. Be constructive and specific."""

_QUESTION_SCHEMA = (
    '{"type":"object","properties":{"question":{"type":"string"},"why":{"type":"string"},'
    '"answer_type":{"enum":["text","structured","both"]},"minutes":{"type":"integer"}},'
    '"required":["question","why","answer_type","minutes"]}'
)
_ANSWER_SCHEMA = (
    '{"type":"object","properties":{"title":{"type":"string"},'
    '"bullets":{"type":"array","items":{"type":"string"}}},"required":["title","bullets"]}'
)
_EVALUATION_SCHEMA = (
    '{"type":"object","properties":{"score":{"type":"number"},"acceptable":{"type":"boolean"},'
    '"issues":{"type":"array","items":{"type":"object","properties":{"label":{"type":"string"},'
    '"description":{"type":"string"}}}},"strengths":{"type":"array","items":{"type":"object","properties":'
    '{"label":{"type":"string"},"description":{"type":"string"}}}},"suggestions":{"type":"array","items":'
    '{"type":"object","properties":{"type":{"type":"string"},"title":{"type":"string"},"examples":'
    '{"type":"array","items":{"type":"string"}},"help":{"type":"string"}}}}},'
    '"required":["score","acceptable","issues","strengths","suggestions"]}'
)
