"""Every record survives the way over the wire; what is no such record is refused by name."""

from __future__ import annotations

import json
from typing import Any, Optional, Union

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runyard.api import ChangeResult, StopCall, Submission
from runyard.errors import InvalidSpec
from runyard.model import codec
from runyard.model.beat import Answer, Order, Report
from runyard.model.events import KIND_OF, KINDS, Recorded, StopRequested
from runyard.model.job import StopRequest
from runyard.model.outcome import Outcome
from runyard.model.spec import JobSpec, Resources
from tests.unit.model import records


@pytest.mark.parametrize("cls", records.RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_record_comes_back(cls: Any, data: st.DataObject) -> None:
    record = data.draw(records.of(cls))
    assert codec.loads(cls, codec.dumps(record)) == record


@pytest.mark.parametrize("cls", records.RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_is_encoded_is_plain(cls: Any, data: st.DataObject) -> None:
    text = codec.dumps(data.draw(records.of(cls)))
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) is not None


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = sorted({name for cls in records.RECORDS for name in cls.__dataclass_fields__})


@pytest.mark.parametrize("cls", records.RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=12)
@given(value=st.one_of(ANYTHING, st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=6)))
def test_what_is_no_record_is_refused_and_nothing_else(cls: Any, value: Any) -> None:
    try:
        codec.decode(cls, value)
    except InvalidSpec as error:
        assert error.message


def test_defaults_are_left_out() -> None:
    assert codec.encode(JobSpec(("true",))) == {"command": ["true"]}
    assert codec.encode(Answer("yard", 1, 2)) == {"yard": "yard", "epoch": 1, "number": 2}


def test_a_default_that_is_given_is_the_same() -> None:
    spec = {"command": ["true"], "resources": {"cpus": 1}, "name": "", "after": []}
    assert codec.decode(JobSpec, spec) == JobSpec(("true",))


def test_an_event_says_which_it_is() -> None:
    stop = Recorded(7, 3, StopRequested(1.0, StopRequest(1.0, "me", Outcome.TIMEOUT)))
    assert codec.encode(stop) == {
        "job_id": 7,
        "number": 3,
        "event": {"kind": "stop-requested", "at": 1.0, "request": {"at": 1.0, "by": "me", "outcome": "timeout"}},
    }


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_word_of_an_event_is_the_stored_one(kind: str) -> None:
    """The codec makes the word of the class's name; the table in `events` is what is stored and shown."""
    with pytest.raises(InvalidSpec, match="at: this has to be given"):
        codec.decode(Recorded, {"job_id": 1, "number": 1, "event": {"kind": kind}})
    assert KIND_OF[KINDS[kind]] == kind


@pytest.mark.parametrize(
    ("cls", "value", "says"),
    [
        (JobSpec, {"command": ["true"], "comand": 1}, "comand: unknown"),
        (JobSpec, {}, "command: this has to be given"),
        (JobSpec, {"command": "true"}, "command: a list was expected"),
        (JobSpec, {"command": ["true"], "priority": "high"}, "priority: str 'high'"),
        (JobSpec, {"command": ["true"], "priority": True}, "priority: bool"),
        (JobSpec, {"command": ["true"], "resources": {"cpus": {}}}, "cpus: dict"),
        (JobSpec, {"command": ["true"], "name": None}, "name: nothing"),
        (JobSpec, [], "an object was expected"),
        (Recorded, {"job_id": 1, "number": 1, "event": {"at": 1}}, "kind: nothing is none of submitted"),
        (Recorded, {"job_id": 1, "number": 1, "event": {"kind": [], "at": 1}}, "kind: list"),
        (Recorded, {"job_id": 1, "number": 1, "event": []}, "event: an object was expected"),
        (StopRequest, {"at": 1.0, "outcome": "sleepy"}, "outcome: 'sleepy' is none of succeeded"),
        (StopRequest, {"at": 1.0, "outcome": ["succeeded"]}, "outcome: "),
        (Order, {"key": {"job_id": 1, "number": 1, "token": "t"}, "command": [], "workdir": "/", "variables": [["A"]]},
         "variables: 2 values were expected"),
        (ChangeResult, {"changed": [], "refused": {"twelve": "no"}}, "refused: str 'twelve'"),
        (ChangeResult, {"changed": [], "refused": []}, "refused: an object was expected"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field(cls: Any, value: Any, says: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        codec.decode(cls, value)
    assert refused.value.message.startswith(says)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, "--5", "1_000", "٣", "", "5.0", 5.0, True, None])
def test_what_is_no_whole_number(number: Any) -> None:
    with pytest.raises(InvalidSpec):
        codec.decode(StopCall, {"ids": [number]})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), "1.0", True, 10**400])
def test_what_is_no_number(number: Any) -> None:
    with pytest.raises(InvalidSpec):
        codec.decode(Report, {"agent": "a", "incarnation": 1, "wait_s": number})


def test_a_refused_job_is_known_by_its_number() -> None:
    result = ChangeResult((1, 2), {3: "it is done", 40: "there is no job 40"})
    assert codec.loads(ChangeResult, codec.dumps(result)) == result


def test_deep_nesting_is_refused() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(InvalidSpec):
        codec.decode(JobSpec, {"command": ["true"], "name": deep})


@pytest.mark.parametrize("word", ["\ud800", "a\udfffb"])
@pytest.mark.parametrize("field", ["command", "name", "workdir", "output", "setup"])
def test_half_a_surrogate_pair_is_no_text_for_the_system(field: str, word: str) -> None:
    value: Any = [word] if field in ("command", "setup") else "/" + word
    with pytest.raises(InvalidSpec) as refused:
        codec.decode(JobSpec, {"command": ["true"], field: value})
    assert refused.value.field in (field, "command")


def test_the_type_of_a_field_that_may_be_nothing() -> None:
    assert codec.decode(Optional[Resources], None) is None  # type: ignore[arg-type]
    assert codec.decode(Optional[Resources], {"cpus": 2}) == Resources(2)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["text", 5, True])
def test_a_field_of_several_plain_types(value: Any) -> None:
    assert codec.decode(Union[str, int, bool], value) is value  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 1.5, [], {}])
def test_what_is_none_of_the_plain_types(value: Any) -> None:
    with pytest.raises(InvalidSpec, match="one of str, int, bool"):
        codec.decode(Union[str, int, bool], value)  # type: ignore[arg-type]


class TestManyAlike:
    """Of records that are nearly alike only what differs is read; what is wrong is found all the same."""

    SPECS = ({"command": ["a"], "priority": 1, "hold": True}, {"command": ["b"], "priority": 1, "hold": True})

    def read(self, *more: dict[str, object]) -> tuple[JobSpec, ...]:
        made: Submission = codec.decode(Submission, {"specs": [*self.SPECS, *more], "key": "k"})
        return made.specs

    def test_each_is_its_own(self) -> None:
        assert self.read({"command": ["c"], "priority": 2, "hold": True}, {"command": ["d"]}) == (
            JobSpec(("a",), priority=1, hold=True),
            JobSpec(("b",), priority=1, hold=True),
            JobSpec(("c",), priority=2, hold=True),
            JobSpec(("d",)),
        )

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"command": ["c"], "priority": True, "hold": True}, "priority"),
            ({"command": ["c"], "priority": 1, "hold": 1}, "hold"),
            ({"command": [], "priority": 1, "hold": True}, "command"),
            ({"command": ["c"], "priority": 10**7, "hold": True}, "priority"),
            ({"command": ["c"], "priority": 1, "held": True}, "held"),
        ],
    )
    def test_a_wrong_one_among_them(self, wrong: dict[str, object], field: str) -> None:
        with pytest.raises(InvalidSpec) as refused:
            self.read(wrong)
        assert refused.value.field == field
