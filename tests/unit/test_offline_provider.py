"""The offline provider from gaps to refined answers: replies to its own prompts, told once and in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.embeddings import WordLlamaEmbedder
from actors.evaluator import Evaluator
from actors.generator import Generator
from actors.grounding import said, ungrounded
from actors.offline.kinds import Kind
from actors.offline.lexicon import Lexicon
from actors.offline.prompts import WORDINGS
from actors.offline.provider import OfflineLLM
from actors.offline.roles import PROMPT_ROLES, Role, role_of
from actors.offline.sentences import sentences
from serve_app.terminal.script import Reply, matched, read_replies
from serve_app.terminal.script import given as scripted
from state.messages import EvaluateAnswer, FindGaps, JudgedAnswer, RefineAnswer, WriteAnswer, WritePrompts
from state.model import (
    Addressability,
    Answer,
    BulletKind,
    CriterionName,
    Document,
    Evaluation,
    Gap,
    Inputs,
    Priority,
    Prompt,
)
from tests.conftest import EXAMPLES

NO_CV = Document(text="")


@cache
def provider() -> OfflineLLM:
    return OfflineLLM(lexicon=Lexicon.shipped(), embedder=WordLlamaEmbedder())


@cache
def generator() -> Generator:
    return Generator(llm=provider(), plain=provider())


async def prompts_for(gap: Gap) -> tuple[Prompt, ...]:
    return (await generator().write_prompts(WritePrompts(gap=gap, question="?", similar=()))).prompts


async def answer_to(gap: Gap, inputs: Inputs) -> Answer:
    request = WriteAnswer(gap=gap, question="?", prompts=await prompts_for(gap), inputs=inputs, cv=NO_CV)
    return await generator().write_answer(request)


def a_gap(title: str, asks: str, *skills: str, logistical: bool = False) -> Gap:
    return Gap(
        id="g1",
        title=title,
        description="",
        priority=Priority.LOGISTICAL if logistical else Priority.HIGH,
        cv_shows="",
        job_asks=asks,
        impact="",
        addressability=Addressability.LOGISTICAL if logistical else Addressability.LEARNABLE,
        skills=skills,
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A reply to every prompt of a kind of gap, and the answer made of them."""

    gap: Gap
    inputs: Mapping[str, str | tuple[str, ...]]
    told: tuple[str, str, str]


CASES: Mapping[Kind, Case] = {
    Kind.TOOL: Case(
        gap=a_gap("Kubernetes", "Kubernetes, Docker and Terraform in production", "Kubernetes"),
        inputs={
            "context": "Side Project",
            "duration": "8 months, last used in May 2025",
            "tools": "Deployments, Ingress, Helm",
            "achievement": "I moved our booking site to a three-node cluster. I wrote the manifests myself.",
            "metrics": "40 releases with no downtime",
            "related": ("Docker", "Terraform"),
        },
        told=(
            "Moved the booking site to a three-node cluster.",
            "Wrote the manifests. Used Deployments, Ingress and Helm in a side project over 8 months, last used in May "
            "2025. Also used Docker and Terraform.",
            "40 releases with no downtime.",
        ),
    ),
    Kind.METHOD: Case(
        gap=a_gap("Route planning", "Route planning for vans.", "Route planning"),
        inputs={
            "context": "Work",
            "duration": "2 years, weekly",
            "tools": "Paragon, Google Maps",
            "achievement": "A driver called in sick and I re-planned 6 routes in 20 minutes.",
            "metrics": "about 12 routes a day, mileage down 9%",
            "part": "Planned alone, checked by the shift manager",
        },
        told=(
            "A driver called in sick; re-planned 6 routes in 20 minutes.",
            "Used Paragon and Google Maps at work over 2 years, weekly. Planned alone, checked by the shift manager.",
            "About 12 routes a day, mileage down 9%.",
        ),
    ),
    Kind.KNOWLEDGE: Case(
        gap=a_gap("CDM regulations", "Knowledge of CDM regulations", "CDM Regulations"),
        inputs={
            "context": "Work",
            "duration": "2023",
            "tools": "CDM 2015, HSE guidance",
            "achievement": "I stopped the roof work because the edge protection was missing.",
            "metrics": "14 site checks, 3 findings closed within a week",
            "applied": "30 operatives and two site managers",
        },
        told=(
            "Stopped the roof work because the edge protection was missing.",
            "Used CDM 2015 and HSE guidance at work in 2023, for 30 operatives and two site managers.",
            "14 site checks, 3 findings closed within a week.",
        ),
    ),
    Kind.SOFT: Case(
        gap=a_gap("Communication skills", "Excellent communication skills", "Communication skills"),
        inputs={
            "context": "Work",
            "duration": "March 2024",
            "tools": "SBAR, a written summary after each call",
            "achievement": "A family was upset about a delay. I sat down with them and called them every evening.",
            "metrics": "1 complaint withdrawn within 2 days",
            "people": "The ward sister said it was the calmest complaint of the month",
        },
        told=(
            "A family was upset about a delay. Sat down with them and called them every evening.",
            "Used SBAR and a written summary after each call at work in March 2024.",
            "1 complaint withdrawn within 2 days. The ward sister said it was the calmest complaint of the month.",
        ),
    ),
    Kind.YEARS: Case(
        gap=a_gap("Five years of acute nursing", "At least five years of acute nursing."),
        inputs={
            "context": "Work",
            "duration": "May 2019 - June 2021, 30 hours a week",
            "tools": "EPMA, NEWS2",
            "achievement": "I took charge of a bay of 6 patients on the acute medical unit.",
            "metrics": "about 400 shifts",
            "role": "Bank staff nurse; matron Okafor can confirm it",
        },
        told=(
            "Took charge of a bay of 6 patients on the acute medical unit.",
            "Used EPMA and NEWS2 at work from May 2019 to June 2021, 30 hours a week. Bank staff nurse, matron Okafor "
            "can confirm it.",
            "About 400 shifts.",
        ),
    ),
    Kind.CERTIFICATION: Case(
        gap=a_gap("ACLS certificate", "ACLS certificate, current", "Advanced life support"),
        inputs={
            "context": "Work",
            "duration": "2 days",
            "tools": "Advanced Life Support, Resuscitation Council UK",
            "achievement": "I led the airway at two cardiac arrests on the ward.",
            "metrics": "92% in the written test",
            "valid_until": "May 2028",
        },
        told=(
            "Led the airway at two cardiac arrests on the ward.",
            "Trained for Advanced Life Support, Resuscitation Council UK at work over 2 days. Valid until May 2028.",
            "92% in the written test.",
        ),
    ),
    Kind.LICENCE: Case(
        gap=a_gap("Driving licence", "A full driving licence is required.", logistical=True),
        inputs={
            "context": "Work",
            "duration": "2015",
            "tools": "Category C1, DVLA",
            "achievement": "I've driven a 7.5-tonne lorry on the Leeds to Hull run.",
            "metrics": "about 40,000 miles a year",
            "valid_until": "It's valid until March 2030",
        },
        told=(
            "Drove a 7.5-tonne lorry on the Leeds to Hull run.",
            "Held Category C1, DVLA at work since 2015. Valid until March 2030.",
            "About 40,000 miles a year.",
        ),
    ),
    Kind.LANGUAGE: Case(
        gap=a_gap("German", "German: good enough for the phone", "German"),
        inputs={
            "context": "Work",
            "duration": "6 years",
            "tools": "telephone, email",
            "achievement": "I cleared up a customs hold with a haulier in Bremen.",
            "metrics": "about 5 calls a week",
            "level": "B2",
        },
        told=(
            "Cleared up a customs hold with a haulier in Bremen.",
            "Used for telephone and email at work over 6 years, at level B2.",
            "About 5 calls a week.",
        ),
    ),
    Kind.EDUCATION: Case(
        gap=a_gap("Degree in physics", "A degree in physics"),
        inputs={
            "context": "Personal Learning",
            "duration": "2015 to 2018",
            "tools": "thermodynamics, optics, Python",
            "achievement": "My colleague and I built a sensor rig for a project on heat loss.",
            "metrics": "62%, 120 credits",
            "qualification": "BSc Physics with Energy, Sheffield Hallam University",
        },
        told=(
            "Built a sensor rig for a project on heat loss with a colleague.",
            "Studied thermodynamics, optics and Python in personal learning from 2015 to 2018. BSc Physics with "
            "Energy, Sheffield Hallam University.",
            "62%, 120 credits.",
        ),
    ),
    Kind.LOGISTICS: Case(
        gap=a_gap("Night shifts", "Night shifts: about five a month.", logistical=True),
        inputs={
            "context": "Work",
            "duration": "3 years",
            "tools": "own car, childcare by my sister",
            "achievement": "I worked five nights a month at Fernleigh Court.",
            "metrics": "about 180 nights, 1 missed shift",
            "availability": "From March, up to six a month",
        },
        told=(
            "Worked five nights a month at Fernleigh Court.",
            "Relied on own car and childcare by a family member at work over 3 years. Available from March, up to six "
            "a month.",
            "About 180 nights, 1 missed shift.",
        ),
    ),
    Kind.PLAIN: Case(
        gap=a_gap("Femoral sheath removal", "Femoral sheath removal and aftercare."),
        inputs={
            "context": "Work",
            "duration": "on rotation in 2024, 4 months",
            "tools": "FemoStop, manual pressure",
            "achievement": "I removed arterial sheaths under supervision.",
            "metrics": "11 sheaths, no haematoma",
            "scale": "a 12-bed day unit",
        },
        told=(
            "Removed arterial sheaths under supervision.",
            "Used FemoStop and manual pressure at work on rotation in 2024, 4 months. Scope: a 12-bed day unit.",
            "11 sheaths, no haematoma.",
        ),
    ),
}
KINDS = [pytest.param(kind, case, id=kind.value) for kind, case in CASES.items()]


def test_every_prompt_that_can_be_asked_has_its_role_by_its_id() -> None:
    assert set(CASES) == set(WORDINGS)
    asked = {prompt_id for case in CASES.values() for prompt_id in case.inputs}
    assert asked | {wording.sixth.id for wording in WORDINGS.values()} == set(PROMPT_ROLES)


@pytest.mark.parametrize(("kind", "case"), KINDS)
async def test_replies_to_the_prompts_of_a_kind_are_told_in_their_bullets(kind: Kind, case: Case) -> None:
    prompts = await prompts_for(case.gap)
    assert prompts[2].question == WORDINGS[kind].tools.replace("{name}", case.gap.title)
    assert [prompt.id for prompt in prompts] == list(case.inputs)
    answer = await answer_to(case.gap, case.inputs)
    assert tuple(bullet.text for bullet in answer.bullets) == case.told
    assert ungrounded(answer, case.inputs, NO_CV) == ()


PLACES = {Role.DONE: BulletKind.BUILD, Role.RESULT: BulletKind.IMPACT}


@pytest.mark.parametrize(("kind", "case"), KINDS)
async def test_every_reply_is_claimed_where_it_belongs_and_no_sentence_twice(kind: Kind, case: Case) -> None:
    answer = await answer_to(case.gap, case.inputs)
    places = {claim.source: bullet.kind for bullet in reversed(answer.bullets) for claim in bullet.claims}
    roles = {f"input:{prompt_id}": role_of(prompt_id, "") for prompt_id in case.inputs}
    assert places == {source: PLACES.get(role, BulletKind.ENGINEER) for source, role in roles.items()}, kind
    assert repeated(answer) == set()


def repeated(answer: Answer) -> set[str]:
    """Sentences of one bullet that stand in another."""
    texts = [{sentence.rstrip(".").casefold() for sentence in sentences(bullet.text)} for bullet in answer.bullets]
    quotes = [[claim.quote for claim in bullet.claims] for bullet in answer.bullets]
    shared = [set(one) & set(other) for told in (texts, quotes) for one, other in combinations(told, 2)]
    return set().union(*shared)


def test_the_id_decides_before_the_wording_of_the_question() -> None:
    asked = WORDINGS[Kind.TOOL].achievement
    assert "change" in asked
    assert role_of("achievement", asked) is Role.DONE
    assert role_of("p4", asked) is Role.DONE
    assert role_of("p5", "What changed because of it?") is Role.RESULT


@pytest.mark.parametrize(("criterion", "role"), [
    (CriterionName.SPECIFICITY, Role.DETAIL),
    (CriterionName.EVIDENCE, Role.RESULT),
    (CriterionName.LANGUAGE, Role.DONE),
    (CriterionName.RELEVANCE, Role.DETAIL),
])  # fmt: skip
def test_a_follow_up_has_the_role_of_its_criterion_whatever_it_asks(criterion: CriterionName, role: Role) -> None:
    assert role_of(f"refine2-1-{criterion}", "When, where, with which tools, and what changed?") is role


async def refined(gap: Gap, inputs: Inputs) -> tuple[str, ...]:
    asked = WriteAnswer(gap=gap, question="?", prompts=await prompts_for(gap), inputs=inputs, cv=NO_CV)
    answer = await again(asked, await answer_to(gap, inputs), Evaluation(score=5, criteria=()))
    return tuple(bullet.text for bullet in answer.bullets)


async def again(asked: WriteAnswer, before: Answer, evaluation: Evaluation) -> Answer:
    request = RefineAnswer(
        gap=asked.gap,
        question=asked.question,
        prompts=asked.prompts,
        inputs=asked.inputs,
        cv=asked.cv,
        answer=before,
        evaluation=evaluation,
    )
    return await generator().refine_answer(request)


async def test_what_a_follow_up_tells_again_stands_there_in_its_newest_wording_alone() -> None:
    inputs = {
        "context": "Work",
        "tools": "kubectl",
        "achievement": "I think I basically moved our shop to Kubernetes with Helm.",
        "refine1-1-professional_language": "Moved the web shop to Kubernetes with Helm charts; deploys took 10 minutes "
        "instead of 2 hours.",
    }
    assert await refined(CASES[Kind.TOOL].gap, inputs) == (
        "Moved the web shop to Kubernetes with Helm charts.",
        "Used kubectl at work.",
        "Deploys took 10 minutes instead of 2 hours.",
    )


async def test_a_follow_up_takes_the_place_of_a_thin_reply() -> None:
    inputs = {
        "context": "Work",
        "duration": "a while",
        "tools": "various tools",
        "achievement": "I helped with Kubernetes stuff.",
        "metrics": "It went well",
        "refine1-1-specificity": "I wrote 12 Helm charts between March and August 2024.",
        "refine1-2-evidence": "Nobody on call was paged at night any more.",
    }
    assert await refined(CASES[Kind.TOOL].gap, inputs) == (
        "Wrote 12 Helm charts between March and August 2024.",
        "Carried out at work.",
        "Nobody on call was paged at night any more.",
    )


async def test_an_outcome_told_with_the_deed_and_again_in_figures_is_told_once() -> None:
    inputs = {
        "context": "Work",
        "achievement": "Every Friday I planned the routes for 8 vans. In December I re-routed 5 vans within 30 "
        "minutes, so that only 4 of 410 drops were late.",
        "metrics": "only 4 of 410 drops late",
    }
    answer = await answer_to(CASES[Kind.METHOD].gap, inputs)
    assert tuple(bullet.text for bullet in answer.bullets) == (
        "Planned the routes for 8 vans every Friday.",
        "Re-routed 5 vans within 30 minutes in December. Carried out at work.",
        "Only 4 of 410 drops late.",
    )


PROMPT_IDS = st.sampled_from([*PROMPT_ROLES, "refine1-1-evidence", "refine2-1-professional_language", "p1"])
REPLIES = st.sampled_from([
    "I", "we used Helm and kubectl, mostly Helm", "March 2019 - now", "2015", "all my life", "B2", "Native", "n/a",
    "It's valid until 2031", "at my parents' shop", "My mentor signed me off in May 2024", "S3; IAM; RDS (Postgres)",
    "While I was on placement, Dr. Ito and I saw 40 patients", "The rota that I wrote cut waiting by 40%", "alone",
    "some stuff", "it meant we won", "Two colleagues and I ran it, and it fell from 9 to 4", "4", "- one\n- two", "???",
])  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(list(CASES)), inputs=st.dictionaries(PROMPT_IDS, REPLIES | st.text(), min_size=1))
async def test_nothing_is_invented_from_any_reply_to_any_prompt(kind: Kind, inputs: dict[str, str]) -> None:
    if any(said(value).strip() for value in inputs.values()):
        assert ungrounded(await answer_to(CASES[kind].gap, inputs), inputs, NO_CV) == ()


def example_replies() -> Iterator[tuple[Document, Document, Sequence[Reply], str]]:
    for path in sorted(EXAMPLES.glob("*/answers.json")):
        cv, job = (Document(text=next(path.parent.glob(f"{name}.*")).read_text("utf-8")) for name in ("cv", "job"))
        replies = read_replies(path)
        yield from ((cv, job, replies, reply.about) for reply in replies if reply.response == "yes")


@pytest.mark.parametrize(
    ("cv", "job", "replies", "about"), [pytest.param(*case, id=case[3]) for case in example_replies()]
)
async def test_a_reply_of_the_examples_is_told_whole_once_and_well(
    cv: Document, job: Document, replies: Sequence[Reply], about: str
) -> None:
    gaps = (await generator().find_gaps(FindGaps(cv=cv, job=job, limit=10))).gaps
    found = matched(replies, gaps)
    gap = next(gap for gap in gaps if gap.id in found and found[gap.id].about == about)
    reply = found[gap.id]
    asked = WriteAnswer(gap=gap, question="?", prompts=await prompts_for(gap), inputs=dict(reply.inputs), cv=cv)
    assert scripted(reply, asked.prompts) == asked.inputs
    answer = await generator().write_answer(asked)
    verdict = await judged(asked, answer)
    if reply.refinement:
        assert verdict.evaluation.score < 6
        inputs = {**asked.inputs, **told_more(reply, verdict.follow_ups)}
        asked = replace(asked, prompts=asked.prompts + verdict.follow_ups, inputs=inputs)
        answer = await again(asked, answer, verdict.evaluation)
        verdict = await judged(asked, answer)
    assert verdict.evaluation.score >= 8.5
    assert repeated(answer) == set()
    assert "not yet" not in answer.text
    assert not re.search(r"\b(?:I|we|my|our|me|us)\b", answer.text)
    assert figures(" ".join(map(said, asked.inputs.values()))) <= figures(answer.text)
    assert {"input:context", "input:tools"} <= {claim.source for bullet in answer.bullets for claim in bullet.claims}


async def judged(asked: WriteAnswer, answer: Answer) -> JudgedAnswer:
    request = EvaluateAnswer(gap=asked.gap, question="?", answer=answer, inputs=asked.inputs, round=1)
    return await Evaluator(llm=provider()).evaluate(request)


def told_more(reply: Reply, follow_ups: Sequence[Prompt]) -> dict[str, str]:
    """The refinement as replies to its follow-ups: figures to the one about evidence, the deed to the first other."""
    evidence, *others = sorted((prompt.id for prompt in follow_ups), key=lambda name: "evidence" not in name)
    more = reply.refinement or {}
    return {evidence: str(more["metrics"]), others[0]: str(more["achievement"])}


def figures(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))
