"""The quick way to text says what the codec says."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runyard.model import codec
from runyard.model.events import Submitted
from runyard.model.spec import JobSpec
from runyard.model.spec_text import SpecWriter
from runyard.store.adding import Entry
from runyard.store.sql_adding import submitted_texts
from tests.unit.model import records

SPEC = records.of(JobSpec)
NAMES = [field.name for field in fields(JobSpec)]
TOGETHER = {"input", "tty"}
"""A job with a terminal has no input: a mixture has both of one record."""


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(SPEC, SPEC, st.lists(st.sets(st.sampled_from(NAMES)), max_size=4))
def test_a_spec_is_written_as_the_codec_does(one: JobSpec, other: JobSpec, mixtures: list[set[str]]) -> None:
    """Also when it follows one that differs in some fields, or in none."""
    writer = SpecWriter()
    for names in [set[str](), *mixtures, set(NAMES)]:
        taken = names | TOGETHER if names & TOGETHER else names
        mixed = replace(one, **{name: getattr(other, name) for name in taken})
        text = writer.text(mixed)
        assert text == codec.dumps(mixed)
        assert codec.loads(JobSpec, text) == mixed


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(SPEC, st.floats(0, 1e10), st.none() | st.integers(1, 99), st.integers(0, 3))
def test_the_first_event_too(spec: JobSpec, at: float, group: int | None, waiting_on: int) -> None:
    texts = submitted_texts(at, [Entry(1, spec, (), waiting_on, group)], [codec.dumps(spec)])
    assert list(texts) == [codec.dumps(Submitted(at, spec, group, waiting_on))]
