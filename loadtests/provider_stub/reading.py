"""Reads the tagged text of a request back: plain searches, from the end, where the request's own data stands."""

from __future__ import annotations

import re

_INPUT = re.compile(r'<input\b[^>]*?\bid="([^"]*)"[^>]*>(.*?)</input>', re.DOTALL)
_CV_LINE = re.compile(r"^(\d+): (.+)$", re.MULTILINE)
_LINE_NUMBER = re.compile(r"^\d+: ")
_BULLET_TEXT = re.compile(r"<text>(.*?)</text>", re.DOTALL)
_ANY_TAG = re.compile(r"<[^>]*>")
_ENTITIES = {"lt": "<", "quot": '"', "lsqb": "[", "amp": "&"}
_ENTITY = re.compile(rf"&({'|'.join(_ENTITIES)});")


def block(told: str, tag: str) -> str:
    """What stands in the last `<tag>` of a text; empty where there is none."""
    end = told.rfind(f"</{tag}>")
    start = max(told.rfind(f"<{tag}>", 0, end), told.rfind(f"<{tag} ", 0, end)) if end >= 0 else -1
    return told[told.index(">", start) + 1 : end] if start >= 0 else ""


def words(text: str) -> str:
    """A piece of tagged text as it was before it was put between tags, on one line."""
    if "&" in text:
        text = _ENTITY.sub(lambda entity: _ENTITIES[entity[1]], text)
    return " ".join(text.split())


def inputs(told: str) -> list[tuple[str, str]]:
    """(id, value) of every input that holds something, in their order."""
    found = ((words(name), words(value)) for name, value in _INPUT.findall(block(told, "inputs")))
    return [(name, value) for name, value in found if value]


def cv_lines(told: str) -> list[tuple[int, str]]:
    return [(int(number), words(line)) for number, line in _CV_LINE.findall(block(told, "cv"))]


def job_lines(told: str) -> list[str]:
    lines = (_LINE_NUMBER.sub("", line.strip()) for line in block(told, "job").splitlines())
    return [words(line) for line in lines if line]


def answer_texts(told: str) -> list[str]:
    """The bullets of the answer to be judged; any other wording of it as one text."""
    answer = block(told, "answer")
    bullets = [words(text) for text in _BULLET_TEXT.findall(answer)]
    return bullets or [words(_ANY_TAG.sub(" ", answer))]


def limit(told: str, default: int) -> int:
    """The number in `<limit>`."""
    text = block(told, "limit").strip()
    return int(text) if text.isascii() and text.isdigit() else default
