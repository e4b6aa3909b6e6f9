"""A question as a LangGraph graph, one thread for each question.

START -> skip | write_prompts -> write_answer (waits for inputs) -> evaluate -> END | refine_answer (waits) -> evaluate

A node that waits is begun again with the inputs: what it does before `interrupt` is done twice, so it does nothing.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict, TypeVar

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt
from openai import AsyncOpenAI
from pydantic import BaseModel

from loadtests.alternative import prompts
from loadtests.alternative.saver import RedisSaver
from loadtests.alternative.shapes import Answer, Inputs, Judgement, WrittenPrompts, WrittenQuestion

MODEL = "gpt-5-mini"
MAX_REFINEMENTS = 2
WEIGHTS = {"specificity": 0.3, "evidence": 0.3, "professional_language": 0.2, "relevance": 0.2}
THRESHOLDS = {"CRITICAL": 8.0, "HIGH": 7.0, "IMPORTANT": 7.0, "MEDIUM": 6.0, "NICE_TO_HAVE": 6.0}
LOWEST_THRESHOLD = 5.0

R = TypeVar("R", bound=BaseModel)
Fields = dict[str, Any]


class NotBegun(Exception):
    """Inputs for a thread that there is none of."""


class State(TypedDict, total=False):
    """What a thread's checkpoint holds."""

    response: str
    cv: str
    job: str
    gap: Fields
    question: str
    step: str
    prompts: list[Fields]
    inputs: Inputs
    answer: Fields
    evaluation: Fields
    refinements: int


class Model:
    """One client for a worker's whole life; every reply is checked against its shape."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def asked(self, operation: str, kind: type[R], cv: str, job: str, blocks: list[str]) -> R:
        """Raises pydantic's `ValidationError` for a reply of another shape."""
        request: dict[str, Any] = {
            "model": MODEL,
            "reasoning_effort": "minimal",
            "messages": prompts.messages(operation, cv, job, blocks),
            **prompts.options(operation),
        }
        reply = await self._client.chat.completions.create(**request)
        return kind.model_validate_json(reply.choices[0].message.content or "")

    async def question(self, cv: str, job: str, gap: Fields) -> WrittenQuestion:
        return await self.asked("write_question", WrittenQuestion, cv, job, [prompts.gap_block(gap)])


class Nodes:
    def __init__(self, model: Model) -> None:
        self._model = model

    async def skip(self, state: State) -> State:
        return {"step": "SKIPPED"}

    async def write_prompts(self, state: State) -> State:
        written = await self._asked("write_prompts", WrittenPrompts, state, [prompts.similar_block()])
        return {"step": "PROMPTED", "prompts": written.model_dump()["prompts"]}

    async def write_answer(self, state: State) -> State:
        inputs: Inputs = interrupt("inputs")
        told = [prompts.prompts_block(state["prompts"]), prompts.inputs_block(inputs)]
        answer = await self._asked("write_answer", Answer, state, told)
        return {"inputs": inputs, "answer": answer.model_dump(), "refinements": 0}

    async def refine_answer(self, state: State) -> State:
        inputs: Inputs = {**state["inputs"], **interrupt("inputs")}
        told = [
            prompts.prompts_block(state["prompts"]),
            prompts.inputs_block(inputs),
            prompts.answer_block(state["answer"]),
            prompts.evaluation_block(state["evaluation"]),
        ]
        answer = await self._asked("refine_answer", Answer, state, told)
        return {"inputs": inputs, "answer": answer.model_dump(), "refinements": state["refinements"] + 1}

    async def evaluate(self, state: State) -> State:
        told = [prompts.inputs_block(state["inputs"]), prompts.answer_block(state["answer"])]
        judged = await self._asked("evaluate_answer", Judgement, state, told)
        score = round(sum(WEIGHTS[one.name] * one.score for one in judged.criteria), 1)
        if score >= THRESHOLDS.get(state["gap"]["priority"], LOWEST_THRESHOLD):
            step = "ACCEPTED"
        else:
            step = "NEEDS_REFINEMENT" if state["refinements"] < MAX_REFINEMENTS else "BEST_EFFORT"
        return {"step": step, "evaluation": {"score": score, **judged.model_dump()}}

    async def _asked(self, operation: str, kind: type[R], state: State, told: list[str]) -> R:
        about = [prompts.gap_block(state["gap"]), prompts.question_block(state["question"])]
        return await self._model.asked(operation, kind, state["cv"], state["job"], [*about, *told])


def begun(state: State) -> Literal["skip", "write_prompts"]:
    """Raises `NotBegun`: LangGraph takes inputs for an unknown thread as a beginning with nothing."""
    if "response" not in state:
        raise NotBegun
    return "write_prompts" if state["response"] == "yes" else "skip"


def judged(state: State) -> str:
    return "refine_answer" if state["step"] == "NEEDS_REFINEMENT" else str(END)


def compiled(model: Model, saver: RedisSaver) -> CompiledStateGraph:
    nodes = Nodes(model)
    graph = StateGraph(State)
    for node in (nodes.skip, nodes.write_prompts, nodes.write_answer, nodes.evaluate, nodes.refine_answer):
        graph.add_node(node.__name__, node)
    graph.add_conditional_edges(START, begun)
    graph.add_edge("skip", END)
    graph.add_edge("write_prompts", "write_answer")
    graph.add_edge("write_answer", "evaluate")
    graph.add_edge("refine_answer", "evaluate")
    graph.add_conditional_edges("evaluate", judged, ["refine_answer", END])
    return graph.compile(checkpointer=saver)
