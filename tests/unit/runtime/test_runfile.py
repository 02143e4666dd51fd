"""The records of a run file, as bytes."""

from __future__ import annotations

import pytest

from runyard.runtime import runfile
from runyard.runtime.runfile import CLAIM, ENDED, SIZE, STARTED, Claim, Ended, Started

CLAIMED = Claim(12, 2, "t" * 32, "host-1", "b" * 36, 4026531836, 4_194_304, 2**40, 1.7e9, "runner", 77, 88, 3)
BEGUN = Started(4_194_304, 2**40, 1_700_000_000.123456)
OVER = Ended(139, "cancelled", "3 left-over processes ended", "runner", 12.345678, 1e6, 1.7e9, 1e7)


def image() -> bytes:
    """A whole run file."""
    parts = ((CLAIM, b"claim  ", CLAIMED), (STARTED, b"started", BEGUN), (ENDED, b"ended  ", OVER))
    data = b"".join(runfile.line_of(place[1], kind, record) for place, kind, record in parts)
    assert len(data) == SIZE
    return data


def test_what_was_written_is_read() -> None:
    assert runfile.parse(image()) == (CLAIMED, BEGUN, OVER, True)


def test_a_person_can_read_it() -> None:
    first, second, third, _ = image().split(b"\n")
    assert first.startswith(b'claim   {"job":12,"number":2,"token":"ttt')
    assert second.startswith(b'started {"pid":4194304,')
    assert third.startswith(b'ended   {"wait_status":139,"why":"cancelled",')


def test_nothing() -> None:
    assert runfile.parse(b"") == (None, None, None, False)


@pytest.mark.parametrize("place", [CLAIM, STARTED, ENDED])
@pytest.mark.parametrize("offset", [0, 9, 40, -10, -2, -1])
def test_a_damaged_record_counts_as_absent(place: tuple[int, int], offset: int) -> None:
    data = bytearray(image())
    where = place[0] + (offset if offset >= 0 else place[1] + offset)
    data[where] ^= 1
    records = runfile.parse(bytes(data))
    assert [record is None for record in records[:3]] == [place is other for other in (CLAIM, STARTED, ENDED)]
    assert records.touched


@pytest.mark.parametrize("length", [1, 100, 511, 512, 600, 640, 1000, 1023])
def test_a_torn_file(length: int) -> None:
    records = runfile.parse(image()[:length])
    whole = [record is not None for record in records[:3]]
    assert whole == [length >= place[0] + place[1] for place in (CLAIM, STARTED, ENDED)]
    assert records.touched


def test_what_a_later_version_adds_is_passed_over() -> None:
    class Later(Started):
        def _asdict(self) -> dict[str, object]:
            return {**super()._asdict(), "mood": "good"}

    line = runfile.line_of(STARTED[1], b"started", Later(*BEGUN))
    data = image()[: STARTED[0]] + line + image()[ENDED[0] :]
    assert runfile.parse(data).started == BEGUN


@pytest.mark.parametrize("detail", ["", "short", "x" * 10_000, "\U0001f600" * 500, '"\\\n' * 300])
def test_any_detail_fits(detail: str) -> None:
    short = runfile.shortened(detail)
    assert detail.startswith(short)
    record = Ended(2**31, "not-started", short, "inferred", 123456.654321, 123456.789, 1.7e9, 123456789.123456)
    assert len(runfile.line_of(ENDED[1], b"ended  ", record)) == ENDED[1]


def test_the_largest_claim_fits() -> None:
    claim = CLAIMED._replace(job=10**15, number=10**6, token="t" * 64, host_id="h" * 64, at=1.7e9 + 0.123456789)
    assert len(runfile.line_of(CLAIM[1], b"claim  ", claim)) == CLAIM[1]
