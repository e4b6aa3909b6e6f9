"""Labels come from small closed sets, or from open ones that a process bounds."""

from __future__ import annotations

import asyncio

import pytest

from actors.providers.port import Fault
from state.errors import NotFound, StoreUnavailable
from state.flags import DEFAULT_ROLLOUTS
from state.metrics.labels import (
    ERROR_KINDS,
    FAULTS,
    MAX_LENGTH,
    NOT_OURS,
    OTHER,
    Admission,
    LabelAdmission,
    Labels,
    Layer,
    Operation,
    Variant,
    error_kind,
    variant_of,
)
from state.model import Priority


def test_every_operation_has_a_layer() -> None:
    assert {operation.layer for operation in Operation} == set(Layer)


def test_the_faults_of_providers_are_kinds_of_errors() -> None:
    assert set(FAULTS) == {fault.value for fault in Fault}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFound(), "NotFound"),
        (StoreUnavailable(), "StoreUnavailable"),
        (TimeoutError(), "timeout"),
        (ValueError("Ada Nowak, Northgate"), "other"),
        (asyncio.CancelledError(), "given_up"),
    ],
)
def test_an_exception_is_counted_by_its_kind_and_never_by_its_text(error: BaseException, kind: str) -> None:
    assert error_kind(error) == kind
    assert kind in ERROR_KINDS


def test_a_wrong_request_and_a_call_given_up_are_no_errors_of_the_service() -> None:
    assert {"NotFound", "InvalidField", "StepNotOpen", "given_up"} <= NOT_OURS
    assert not NOT_OURS & {"StoreUnavailable", "Overloaded", "RecordUnreadable", "timeout", "other", *FAULTS}


def test_one_value_too_many_is_other_and_those_before_it_stay() -> None:
    admission = Admission(room=2)
    assert [admission.admit(value) for value in ("a", "b", "c", "", "a", "c")] == ["a", "b", OTHER, "", "a", OTHER]


def test_a_value_too_long_to_be_a_name_is_other_and_takes_no_room() -> None:
    admission = Admission(room=1)
    assert admission.admit("x" * (MAX_LENGTH + 1)) == OTHER
    assert admission.admit("x" * MAX_LENGTH) == "x" * MAX_LENGTH


def test_open_labels_are_bounded_and_closed_ones_untouched() -> None:
    admission = LabelAdmission(providers=1, models=2, prompts=3)
    labels = [
        Labels(Operation.WRITE_ANSWER, Priority.LOW, f"p{n}", f"m{n}", f"v{n}", Variant.ADVANCED) for n in range(50)
    ]
    admitted = {admission.admit(each) for each in labels}
    assert len(admitted) == 4
    assert {each.provider for each in admitted} == {"p0", OTHER}
    assert {each[:2] + each[5:] for each in admitted} == {(Operation.WRITE_ANSWER, Priority.LOW, Variant.ADVANCED)}


def test_the_variant_is_what_a_session_drew_of_the_flags_that_matter() -> None:
    off = dict.fromkeys(DEFAULT_ROLLOUTS, False)
    assert variant_of(off) is Variant.USUAL
    assert variant_of({**off, "use_batch_generation": True}) is Variant.USUAL
    assert variant_of({"advanced_quality_evaluation": True}) is Variant.ADVANCED
    assert variant_of({**off, "experimental_llm_model": True}) is Variant.EXPERIMENTAL
    assert variant_of(dict.fromkeys(DEFAULT_ROLLOUTS, True)) is Variant.EXPERIMENTAL_ADVANCED
