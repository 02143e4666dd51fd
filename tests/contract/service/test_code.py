"""The code of jobs: found when they are submitted, looked into afterwards, and again when they start."""

from __future__ import annotations

import json

import pytest

from runyard.errors import InvalidSpec, NotFound
from runyard.model.attempt import AttemptKey
from runyard.model.code import CODE_CHANGED, ENVIRONMENT_CHANGED, WORK_TREE, Code, Note, Part
from runyard.model.drift import Installed
from runyard.model.spec import ArraySpec, JobSpec
from runyard.service.coding import AT_ONCE_S
from tests.contract.service.harness import COMMIT, Hand, Yard, job

PLACE = "/code/one"


def in_code(snapshot: str = "", **more: object) -> JobSpec:
    return job(workdir=PLACE, snapshot=snapshot, **more)


def noted(yard: Yard, job_id: int) -> list[tuple[str, str]]:
    return [(note.kind, note.text) for attempt in yard.service.job(job_id).attempts for note in attempt.notes]


def started_late(yard: Yard, hand: Hand, job_id: int) -> None:
    """The job starts some time after it was submitted, and the desk looks at its code again if it wants to."""
    yard.clock.at += AT_ONCE_S + 1
    hand.beat()
    hand.starts(job_id)


def test_a_job_says_where_its_code_lies_and_what_was_changed(yard: Yard) -> None:
    (made,) = yard.submit(in_code())
    code = yard.service.job(made).spec.code
    assert code is not None
    assert (code.root, code.commit, code.branch, code.frozen) == (PLACE, COMMIT, "main", ())
    assert yard.service.job(made).code is None  # nobody has looked yet
    yard.look()
    seen = yard.service.job(made).code
    assert seen is not None
    assert (seen.tree, seen.changed) == ("tree-1", ("M train.py",))
    assert yard.service.blob(seen.patch) == b"the patch of tree-1"


def test_a_job_outside_of_any_work_tree_has_no_code(yard: Yard) -> None:
    (made,) = yard.submit(job(workdir="/tmp"))
    assert yard.service.job(made).spec.code is None


def test_a_submission_is_looked_into_once(yard: Yard) -> None:
    receipt = yard.receipt(in_code(), array=ArraySpec(tuple(range(1_000))))
    yard.submit(in_code(), in_code())
    yard.look()
    assert len(yard.shelves.looks) == 1  # the second submission came in time to share it
    assert {yard.service.job(job_id).code is not None for job_id in (receipt.ids[0], receipt.ids[-1])} == {True}


def test_nobody_can_bring_code_of_his_own(yard: Yard) -> None:
    forged = Code("/etc", "f" * 40, key="ab", frozen=(Part("", "/etc", "tree"),))
    made, other = yard.submit(in_code(code=forged), job(workdir="/tmp", code=forged))
    found = yard.service.job(made).spec.code
    assert found is not None
    assert (found.root, found.frozen) == (PLACE, ())
    assert yard.service.job(other).spec.code is None


def test_code_that_is_changed_before_the_start_is_noted(yard: Yard) -> None:
    first, second = yard.submit(in_code(), in_code(hold=True))
    yard.look()
    hand = yard.agent()
    started_late(yard, hand, first)
    yard.look()
    assert noted(yard, first) == []
    yard.shelves.trees[PLACE] = "tree-2"
    yard.service.release((second,))
    started_late(yard, hand, second)
    yard.look()
    assert noted(yard, second) == [(CODE_CHANGED, "train.py changed after it was submitted (at cccccccccc)")]
    assert yard.row(second).flags == (CODE_CHANGED,)
    assert noted(yard, first) == []


def test_a_note_comes_although_the_job_has_ended(yard: Yard) -> None:
    (made,) = yard.submit(in_code())
    yard.look()
    hand = yard.agent()
    yard.shelves.trees[PLACE] = "tree-2"
    started_late(yard, hand, made)
    hand.ends(made)
    yard.look()
    assert [kind for kind, _ in noted(yard, made)] == [CODE_CHANGED]
    assert yard.row(made).word == "succeeded"


def test_a_job_that_starts_at_once_is_not_looked_at_again(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit(in_code())
    yard.look()
    hand.beat()
    hand.starts(made)
    (other,) = yard.submit(in_code())
    yard.look()  # for the other job alone
    assert len(yard.shelves.looks) == 2
    assert noted(yard, made) == [] and yard.service.job(other).code is not None


def test_a_snapshot_is_made_before_a_job_is_accepted(yard: Yard) -> None:
    receipt = yard.receipt(in_code(WORK_TREE))
    assert receipt.remarks == ("frozen",)
    hand = yard.agent()
    hand.beat()
    order = hand.orders[hand.key(receipt.ids[0])]
    assert order.code is not None
    assert order.code.frozen == (Part("", PLACE, "tree-1"),)
    with pytest.raises(InvalidSpec, match="nowhere"):
        yard.receipt(in_code("nowhere"))
    assert len(yard.words()) == 1


def test_a_copy_runs_the_snapshot_of_its_original(yard: Yard) -> None:
    (made,) = yard.submit(in_code(WORK_TREE))
    original = yard.service.job(made).spec
    yard.shelves.trees[PLACE] = "tree-2"
    (copy,) = yard.submit(original)
    code = yard.service.job(copy).spec.code
    assert code is not None and original.code is not None
    assert (code.key, code.frozen) == (original.code.key, original.code.frozen)


def test_nothing_to_freeze_is_told(yard: Yard) -> None:
    receipt = yard.receipt(job(workdir="/tmp", snapshot=WORK_TREE))
    assert receipt.remarks == ("nothing is frozen",)
    hand = yard.agent()
    hand.beat()
    assert hand.orders[hand.key(receipt.ids[0])].code is None


def refused(yard: Yard, hand: Hand, job_id: int) -> AttemptKey:
    """The agent does not start it: a person is to decide."""
    hand.beat()
    key = hand.key(job_id)
    hand.beat(hand.see(key, "revoked", why="numpy 1 -> 2", hold=True))
    return key


def test_a_job_that_its_agent_holds_back_starts_when_it_is_released(yard: Yard) -> None:
    listing = Installed("/usr/bin/python3", yard.service.put_blob(b"numpy 1\n"))
    (made,) = yard.submit(job(python=listing, drift="hold"))
    hand = yard.agent()
    key = refused(yard, hand, made)
    assert hand.orders[key].drift == "hold"
    row = yard.row(made)
    assert (row.word, row.reason) == ("held", "held: numpy 1 -> 2")
    assert "numpy 1 -> 2" in yard.service.explain(made).sentence
    yard.service.release((made,))
    hand.beat()
    again = hand.orders[hand.key(made)]
    assert (again.key.number, again.drift) == (2, "warn")
    note = Note(ENVIRONMENT_CHANGED, "numpy 1 -> 2")
    hand.beat(hand.see(again.key, "started", pid=7, started_at=yard.clock.now(), notes=(note,)))
    assert noted(yard, made) == [(ENVIRONMENT_CHANGED, "numpy 1 -> 2")]


def test_a_note_that_is_told_twice_counts_once(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.beat()
    note = Note(ENVIRONMENT_CHANGED, "numpy 1 -> 2")
    seen = hand.see(hand.key(made), "started", pid=7, started_at=yard.clock.now(), notes=(note,))
    hand.beat(seen)
    version = len(yard.service.job(made).events)
    hand.beat(seen)
    assert len(yard.service.job(made).events) == version
    assert yard.row(made).flags == (ENVIRONMENT_CHANGED,)


def test_drift_that_nobody_wants_to_know_of_is_not_ordered(yard: Yard) -> None:
    listing = Installed("/usr/bin/python3", "0" * 64)
    (made,) = yard.submit(job(python=listing, drift="ignore"))
    hand = yard.agent()
    hand.beat()
    assert hand.orders[hand.key(made)].python is None


# Two jobs


def test_two_jobs_are_compared(yard: Yard) -> None:
    def environment(**values: str) -> str:
        return yard.service.put_blob(json.dumps(values).encode())

    def installed(listed: str) -> Installed:
        return Installed("/usr/bin/python3", yard.service.put_blob(listed.encode()))

    first, second = yard.submit(
        in_code(environment=environment(A="1", KEY="secret", GONE="x", DQ_X="7"), python=installed("numpy 1\n")),
        in_code(
            environment=environment(A="1", KEY="other", DQ_X="8"),
            python=installed("numpy 2\n"),
            public=(("DQ_X", "8"),),
        ),
    )
    yard.look()
    found = yard.service.compare(first, second)
    assert found.packages == ("numpy 1 -> 2",)
    assert [(one.name, one.before, one.after) for one in found.environment] == [
        ("DQ_X", "7", "8"),
        ("GONE", "***", ""),
        ("KEY", "***", "***"),
    ]
    assert (found.files, found.patch) == ((), "tree-1 -> tree-1")
    (third,) = yard.submit(job(workdir="/tmp"))
    assert "under version control" in yard.service.compare(first, third).problem
    with pytest.raises(NotFound):
        yard.service.compare(first, 99)


def test_a_job_that_is_there_already(yard: Yard) -> None:
    first, second, _ = yard.submit(in_code(), in_code(name="another"), in_code(params=(("lr", "1"),)))
    assert yard.service.alike(in_code()) == ()  # nobody has looked yet
    yard.look()
    assert yard.service.alike(in_code()) == (second, first)
    assert yard.service.alike(in_code(command=("false",))) == ()
    assert yard.service.alike(job(workdir="/tmp")) == ()
    hand = yard.agent()
    hand.beat()
    hand.starts(second)
    hand.ends(second, 1)
    assert yard.service.alike(in_code()) == (first,)  # what failed is tried again on purpose
    yard.shelves.trees[PLACE] = "tree-2"
    assert yard.service.alike(in_code()) == ()


def test_links_are_found_in_the_output(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.beat()
    hand.starts(made)
    yard.outputs.written[made, 1] = b"wandb: View run at https://wandb.ai/a/b/runs/c\n"
    assert [link.run for link in yard.service.job(made).links] == ["c"]
