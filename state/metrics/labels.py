"""What observations are counted under: small closed sets, and a few open ones that are bounded by admission.

Closed are operation, gap priority, flag variant, error kind, cache level and component. Open are provider, model and
prompt version, because their names come from settings, providers and files; `Admission` lets a bounded number of
them in. No id and no free text is ever a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from state import errors
from state.errors import AskwellError, FixRequest
from state.model import Priority

NONE: Final = ""
"""Where a label does not apply: a commit has no model."""
OTHER: Final = "other"
"""Where a label's own value is unknown, or one too many."""


class Layer(StrEnum):
    """Where an operation runs. Latencies of different layers are never added up: one contains the other."""

    REQUEST = "request"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    SEARCH = "search"
    COMMIT = "commit"
    OTHER = OTHER


class Operation(StrEnum):
    """What is timed: HTTP requests, calls to models, searches in the vector store, commits in Redis."""

    CREATE_SESSION = "create_session"
    GET_SESSION = "get_session"
    DELETE_SESSION = "delete_session"
    REPLY_EXPERIENCE = "reply_experience"
    GIVE_INPUTS = "give_inputs"
    GIVE_REFINEMENT = "give_refinement"
    WRITE_QUESTIONS = "write_questions"
    SEARCH_RESOURCES = "search_resources"
    CREATE_PLAN = "create_plan"
    LIST_PLANS = "list_plans"
    MOVE_PLAN = "move_plan"

    FIND_GAPS = "find_gaps"
    WRITE_QUESTION = "write_question"
    WRITE_PROMPTS = "write_prompts"
    WRITE_ANSWER = "write_answer"
    REFINE_ANSWER = "refine_answer"
    EVALUATE_ANSWER = "evaluate_answer"

    EMBED = "embed"
    FIND_SIMILAR = "find_similar"
    FIND_RESOURCES = "find_resources"
    COMMIT = "commit"
    OTHER = OTHER

    @property
    def layer(self) -> Layer:
        return _LAYERS[self]


_LAYERS: Mapping[Operation, Layer] = {
    Operation.CREATE_SESSION: Layer.REQUEST,
    Operation.GET_SESSION: Layer.REQUEST,
    Operation.DELETE_SESSION: Layer.REQUEST,
    Operation.REPLY_EXPERIENCE: Layer.REQUEST,
    Operation.GIVE_INPUTS: Layer.REQUEST,
    Operation.GIVE_REFINEMENT: Layer.REQUEST,
    Operation.WRITE_QUESTIONS: Layer.REQUEST,
    Operation.SEARCH_RESOURCES: Layer.REQUEST,
    Operation.CREATE_PLAN: Layer.REQUEST,
    Operation.LIST_PLANS: Layer.REQUEST,
    Operation.MOVE_PLAN: Layer.REQUEST,
    Operation.FIND_GAPS: Layer.COMPLETION,
    Operation.WRITE_QUESTION: Layer.COMPLETION,
    Operation.WRITE_PROMPTS: Layer.COMPLETION,
    Operation.WRITE_ANSWER: Layer.COMPLETION,
    Operation.REFINE_ANSWER: Layer.COMPLETION,
    Operation.EVALUATE_ANSWER: Layer.COMPLETION,
    Operation.EMBED: Layer.EMBEDDING,
    Operation.FIND_SIMILAR: Layer.SEARCH,
    Operation.FIND_RESOURCES: Layer.SEARCH,
    Operation.COMMIT: Layer.COMMIT,
    Operation.OTHER: Layer.OTHER,
}


class Variant(StrEnum):
    """Of a session's flags, those that may change how good, dear or slow it is."""

    USUAL = "usual"
    EXPERIMENTAL = "experimental"
    ADVANCED = "advanced"
    EXPERIMENTAL_ADVANCED = "experimental_advanced"
    OTHER = OTHER


def variant_of(flags: Mapping[str, bool]) -> Variant:
    """`flags` as a session holds them; a missing one is off."""
    experimental, advanced = flags.get("experimental_llm_model", False), flags.get("advanced_quality_evaluation", False)
    if experimental:
        return Variant.EXPERIMENTAL_ADVANCED if advanced else Variant.EXPERIMENTAL
    return Variant.ADVANCED if advanced else Variant.USUAL


class CacheLevel(StrEnum):
    """`L1` holds vectors in the process, `L2` in Redis and is asked for what L1 has not; `PROMPT` is the provider's
    prefix cache, a lookup a call; `SINGLE_FLIGHT` hits where a call joined one that was under way."""

    L1 = "l1"
    L2 = "l2"
    PROMPT = "prompt"
    SINGLE_FLIGHT = "single_flight"


class Component(StrEnum):
    """What health checks look at."""

    REDIS = "redis"
    QDRANT = "qdrant"
    LLM = "llm"
    SESSIONS = "sessions"
    GENERATOR = "generator"
    EVALUATOR = "evaluator"
    RETRIEVER = "retriever"


class Status(StrEnum):
    """How a component is, best first."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Labels(NamedTuple):
    """What one operation is counted under. `prompt` is a prompt's name and version: 'write_answer/3'.

    A tuple because it is the key of every recording: it is found in a third of the time that a dataclass takes.
    """

    operation: Operation
    priority: Priority | None = None
    provider: str = NONE
    model: str = NONE
    prompt: str = NONE
    variant: Variant = Variant.USUAL

    @property
    def folded(self) -> Labels:
        """What the observation is counted under where there is no room for a cell of its own."""
        return Labels(self.operation, self.priority, OTHER, OTHER, OTHER, Variant.OTHER)


GIVEN_UP: Final = "given_up"
"""The kind of a call that nobody waits for any more: a hedge that lost, a client that went away."""
TIMEOUT: Final = "timeout"
FAULTS = frozenset(
    {
        "unreachable",
        "late",
        "throttled",
        "quota_spent",
        "failing",
        "turned_down",
        "unfit",
        "declined",
        "cut_off",
        "garbled",
        "open_circuit",
    }
)
"""Why a provider brought no reply, as the records of calls name it."""
_ERRORS: Mapping[str, type[AskwellError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, AskwellError)
}
ERROR_KINDS = frozenset(_ERRORS) | FAULTS | {GIVEN_UP, TIMEOUT, OTHER}
NOT_OURS = frozenset(name for name, kind in _ERRORS.items() if issubclass(kind, FixRequest)) | {GIVEN_UP}
"""Kinds that are counted, but are no errors of the service: the request was wrong, or nobody wants its outcome."""


def error_kind(error: BaseException) -> str:
    """The kind under which an exception is counted."""
    if isinstance(error, AskwellError):
        return type(error).__name__
    if isinstance(error, TimeoutError):
        return TIMEOUT
    return OTHER if isinstance(error, Exception) else GIVEN_UP


MAX_LENGTH = 100
"""Characters of a label's value: a model's name comes from a provider's reply, and may be anything."""


class Admission:
    """Lets the first `room` values of one open label in; any other is `OTHER` for as long as the process lives."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._admitted = {NONE, OTHER}

    def admit(self, value: str) -> str:
        if value in self._admitted:
            return value
        if len(self._admitted) - 2 >= self._room or len(value) > MAX_LENGTH:
            return OTHER
        self._admitted.add(value)
        return value


class LabelAdmission:
    """Bounds the open labels of `Labels`: what it lets through has at most as many values as its rooms say."""

    def __init__(self, *, providers: int = 8, models: int = 24, prompts: int = 48) -> None:
        self._providers = Admission(providers)
        self._models = Admission(models)
        self._prompts = Admission(prompts)

    def admit(self, labels: Labels) -> Labels:
        return labels._replace(
            provider=self._providers.admit(labels.provider),
            model=self._models.admit(labels.model),
            prompt=self._prompts.admit(labels.prompt),
        )
