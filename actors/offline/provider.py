"""`OfflineLLM`, the provider that needs nothing: each request goes to the rules for its kind."""

from __future__ import annotations

from typing import assert_never

from actors.embeddings import TextEmbedder
from actors.llm import Completion, R, Request, Result, Written, validated
from actors.offline.answers import refine_answer, write_answer
from actors.offline.gaps import find_gaps
from actors.offline.judging import judge
from actors.offline.lexicon import Lexicon
from actors.offline.prompts import write_prompts
from actors.offline.questions import write_question
from state.messages import (
    EvaluateAnswer,
    FindGaps,
    RefineAnswer,
    WriteAnswer,
    WritePrompts,
    WriteQuestion,
)

OFFLINE = "offline:rules-1"


class OfflineLLM:
    """Implements `actors.llm.LLM`. Same request, same result, in every process and hash seed."""

    def __init__(self, *, lexicon: Lexicon, embedder: TextEmbedder) -> None:
        self._lexicon = lexicon
        self._embedder = embedder

    async def complete(self, request: Request, result: type[R], heard: Written | None = None) -> Completion[R]:
        """All at once: there is nothing to hear before the result is whole."""
        return Completion(result=validated(result, self._decide(request)), by=OFFLINE)

    async def aclose(self) -> None:
        """Holds nothing that would have to be given back."""

    def _decide(self, request: Request) -> Result:
        match request:
            case FindGaps():
                return find_gaps(request, lexicon=self._lexicon, embedder=self._embedder)
            case WriteQuestion():
                return write_question(request)
            case WritePrompts():
                return write_prompts(request, lexicon=self._lexicon)
            case WriteAnswer():
                return write_answer(request, lexicon=self._lexicon)
            case RefineAnswer():
                return refine_answer(request, lexicon=self._lexicon)
            case EvaluateAnswer():
                return judge(request, lexicon=self._lexicon, embedder=self._embedder)
            case _:
                assert_never(request)
