"""Errors cross processes whole, and each has its place in HTTP."""

from __future__ import annotations

import pickle

import pytest

from serve_app.http.problems import PROBLEMS
from state import errors
from state.errors import AskwellError, InvalidField, KeyReused, StepNotOpen, StillRunning, WorkUnavailable

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AskwellError)]
ABSTRACT = {AskwellError, errors.FixRequest, errors.RetryLater}
SAMPLES = [
    InvalidField(field="cv", fix="must hold some text"),
    StepNotOpen(step="ASKED", accepts=("SaidNo",)),
    WorkUnavailable("away", retry_after_s=4.5),
    StillRunning(),
    KeyReused(),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_its_data(error: AskwellError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_every_error_that_is_raised_has_a_status_and_a_title() -> None:
    assert set(KINDS) - ABSTRACT == set(PROBLEMS)


def test_what_may_be_tried_again_is_a_429_or_a_502_or_503_and_faults_of_ours_are_5xx() -> None:
    for kind, (status, _) in PROBLEMS.items():
        if issubclass(kind, errors.RetryLater):
            assert status in {429, 502, 503}
        elif issubclass(kind, errors.Broken):
            assert status >= 500
        else:
            assert 400 <= status < 500
