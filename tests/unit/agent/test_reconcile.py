"""Every rule of `reconcile`: what is ordered and not here starts, once; nothing else happens without an order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.agent.reconcile import (
    Action,
    Adjust,
    Attach,
    Desired,
    Forget,
    Lose,
    Revoke,
    Start,
    Stop,
    reconcile,
    wanted,
)
from runyard.model.attempt import AttemptKey
from runyard.model.beat import OVER, Answer, AttachOrder, Observed, Order, StopOrder, Terms

BOOT = "boot-1"
ALIVE = ("claimed", "started", "unkillable")


def key(job: int) -> AttemptKey:
    return AttemptKey(job, 1, f"token-{job}")


def order(job: int, follows: int = 0, boot: str = BOOT) -> Order:
    return Order(key(job), ("true",), "/", follows=f"{follows}.1" if follows else "", assigned_boot_id=boot)


def stop(job: int, signal: int = 15, at: float = 1.0) -> StopOrder:
    return StopOrder(key(job), "cancelled", signal, 10.0, at)


def terms(job: int) -> Terms:
    return Terms(key(job), 60.0, True)


class Here:
    """What an agent has and wants; `told` is another answer, `do` another round whose actions really happen."""

    def __init__(self, **stages: str) -> None:
        self.desired = Desired()
        self.observed = {key(int(name[1:])): Observed(key(int(name[1:])), stage) for name, stage in stages.items()}

    def told(
        self,
        *start: Order,
        stop: Iterable[StopOrder] = (),
        forget: Iterable[int] = (),
        revoke: Iterable[int] = (),
        boot: str = BOOT,
    ) -> list[Action]:
        self.desired = wanted(
            self.desired,
            Answer("yard", 1, 1, start, tuple(stop), tuple(key(job) for job in forget), tuple(key(j) for j in revoke)),
        )
        return self.do(boot)

    def do(self, boot: str = BOOT) -> list[Action]:
        actions, self.desired = reconcile(self.desired, self.observed, boot)
        for action in actions:
            if isinstance(action, Start):
                self.see(action.order.key.job_id, "claimed")
            elif isinstance(action, Lose):
                self.see(action.order.key.job_id, "ended")
            elif isinstance(action, Revoke):
                self.see(action.key.job_id, "revoked")
            elif isinstance(action, Forget):
                del self.observed[action.key]
        return list(actions)

    def see(self, job: int, stage: str) -> None:
        self.observed[key(job)] = Observed(key(job), stage)

    def ends(self, job: int) -> list[Action]:
        self.see(job, "ended")
        return self.do()


def started(actions: Iterable[Action]) -> list[int]:
    return [action.order.key.job_id for action in actions if isinstance(action, Start)]


# starts


def test_an_order_starts_once_however_often_it_is_told() -> None:
    here = Here()
    assert here.told(order(1)) == [Start(order(1))]
    assert here.told(order(1)) == []
    here.see(1, "started")
    assert here.told(order(1)) == []
    assert here.ends(1) == []
    assert here.told(order(1)) == []


@pytest.mark.parametrize("stage", [*ALIVE, *OVER])
def test_what_is_here_in_any_stage_is_not_started(stage: str) -> None:
    here = Here(j1=stage)
    assert here.told(order(1)) == []
    assert here.desired == Desired()


def test_orders_start_in_the_order_in_which_they_came() -> None:
    assert started(Here().told(order(3), order(1), order(2))) == [3, 1, 2]


def test_the_same_number_with_another_token_is_another_attempt() -> None:
    here = Here(j1="started")
    other = AttemptKey(1, 1, "another")
    assert started(here.told(Order(other, ("true",), "/"))) == [1]


def test_absence_stops_nothing() -> None:
    here = Here(j1="started", j2="claimed")
    assert here.told() == []
    assert here.told(order(3)) == [Start(order(3))]


def test_an_order_from_before_this_boot_may_have_started() -> None:
    assert Here().told(order(1, boot="boot-0")) == [Lose(order(1, boot="boot-0"))]
    assert Here(j1="started").told(order(1, boot="boot-0")) == []
    assert Here().told(order(1, boot="")) == [Start(order(1, boot=""))]


# stops


@pytest.mark.parametrize("stage", ALIVE)
def test_what_is_here_is_stopped(stage: str) -> None:
    assert Here(j1=stage).told(stop=[stop(1)]) == [Stop(stop(1))]


@pytest.mark.parametrize("stage", OVER)
def test_what_is_over_is_not_stopped(stage: str) -> None:
    assert Here(j1=stage).told(stop=[stop(1)]) == []


def test_what_was_never_heard_of_is_given_to_the_engine_to_revoke() -> None:
    assert Here().told(stop=[stop(1)]) == [Stop(stop(1))]


def test_an_order_that_still_waits_is_revoked() -> None:
    here = Here(j1="started")
    here.told(order(2, follows=1))
    assert here.told(stop=[stop(2)]) == [Revoke(key(2))]
    assert here.ends(1) == []


def test_start_and_stop_in_one_answer_start_nothing() -> None:
    assert Here().told(order(1), stop=[stop(1)]) == [Revoke(key(1))]


def test_a_stop_told_again_is_carried_out_once_and_another_one_again() -> None:
    here = Here(j1="started")
    assert here.told(stop=[stop(1)]) == [Stop(stop(1))]
    assert here.told(stop=[stop(1)]) == []
    assert here.told(stop=[stop(1, at=2.0)]) == [Stop(stop(1, at=2.0))]
    assert here.told(stop=[stop(1, at=2.0), stop(1, signal=9, at=3.0)]) == [Stop(stop(1, signal=9, at=3.0))]


def test_nothing_is_kept_of_stops_that_are_done() -> None:
    here = Here(j1="started")
    here.told(stop=[stop(1)])
    here.see(1, "ended")
    here.told(forget=[1])
    assert here.desired == Desired()


# forgets


@pytest.mark.parametrize("stage", OVER)
def test_what_is_over_is_forgotten_when_the_yard_says_so(stage: str) -> None:
    here = Here(j1=stage)
    assert here.do() == []
    assert here.told(forget=[1]) == [Forget(key(1))]
    assert here.told(forget=[1]) == []


def test_what_is_over_is_put_away_when_the_next_one_has_been_started() -> None:
    assert Here(j1="ended").told(order(2), forget=[1]) == [Start(order(2)), Forget(key(1))]


@pytest.mark.parametrize("stage", ALIVE)
def test_what_is_alive_is_never_forgotten(stage: str) -> None:
    here = Here(j1=stage)
    assert here.told(forget=[1]) == []
    assert here.ends(1) == []


def test_an_order_that_the_yard_forgets_before_it_starts_is_dropped() -> None:
    here = Here(j1="started")
    here.told(order(2, follows=1), order(3, follows=2))
    assert here.told(forget=[2]) == []
    assert started(here.ends(1)) == [3]


# followers


def test_a_follower_starts_when_the_one_before_it_is_over() -> None:
    here = Here()
    assert started(here.told(order(1), order(2, follows=1), order(3, follows=2))) == [1]
    here.see(1, "started")
    assert here.do() == []
    assert started(here.ends(1)) == [2]
    assert started(here.ends(2)) == [3]
    assert here.ends(3) == []


@pytest.mark.parametrize("stage", ALIVE)
def test_a_follower_waits_for_all_that_is_not_over(stage: str) -> None:
    here = Here(j1=stage)
    assert here.told(order(2, follows=1)) == []


def test_a_follower_of_somebody_who_is_gone_starts() -> None:
    assert started(Here().told(order(2, follows=1))) == [2]
    assert started(Here(j1="revoked").told(order(2, follows=1))) == [2]


def test_followers_may_be_told_before_the_one_they_follow() -> None:
    assert started(Here().told(order(3, follows=2), order(2, follows=1), order(1))) == [1]


def test_a_revoked_link_in_the_middle_is_passed_over() -> None:
    here = Here()
    here.told(order(1), order(2, follows=1), order(3, follows=2), order(4, follows=3))
    assert here.told(stop=[stop(2)]) == [Revoke(key(2))]
    assert here.told(stop=[stop(3)]) == [Revoke(key(3))]
    assert started(here.ends(1)) == [4]


def test_who_was_named_ahead_is_taken_back_unless_it_has_begun() -> None:
    here = Here()
    here.told(order(1), order(2, follows=1), order(3, follows=2), order(4, follows=3))
    assert here.told(revoke=[1, 2, 4, 9]) == [Revoke(key(2)), Revoke(key(4))]
    assert started(here.ends(1)) == [3]
    assert here.told(revoke=[3]) == []


def test_who_is_ordered_and_taken_back_in_one_answer_never_starts() -> None:
    here = Here(a1="started")
    assert here.told(order(2, follows=1), revoke=[2]) == [Revoke(key(2))]
    assert here.ends(1) == []


def test_a_revoked_head_of_a_chain_that_has_not_started() -> None:
    here = Here()
    here.desired = wanted(here.desired, Answer("yard", 1, 1, (order(1), order(2, follows=1), order(3, follows=2))))
    assert here.told(stop=[stop(1)]) == [Revoke(key(1)), Start(order(2, follows=1))]
    assert started(here.ends(2)) == [3]


def test_who_is_told_only_later_to_follow_a_revoked_one() -> None:
    """2 waits for 1 and is revoked; the yard, which does not know it yet, lets 3 follow 2 while 1 still runs."""
    here = Here()
    here.told(order(1), order(2, follows=1))
    here.see(1, "started")
    assert here.told(stop=[stop(2)]) == [Revoke(key(2))]
    assert here.told(order(3, follows=2)) == []
    here.told(forget=[2])
    assert here.told(order(4, follows=3), stop=[stop(3)]) == [Revoke(key(3))]
    assert here.told(order(5, follows=4)) == []
    assert started(here.ends(1)) == [4]
    assert here.desired.passed == {}
    assert started(here.ends(4)) == [5]


def test_a_follower_of_one_that_was_lost() -> None:
    here = Here()
    actions = here.told(order(1, boot="boot-0"), order(2, follows=1))
    assert actions == [Lose(order(1, boot="boot-0"))]
    assert started(here.do()) == [2]


# all of it together

JOBS = st.integers(1, 8)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("stop"), JOBS),
            st.tuples(st.just("end"), JOBS),
            st.tuples(st.just("forget"), JOBS),
            st.tuples(st.just("order"), JOBS),
        ),
        max_size=40,
    )
)
def test_a_chain_never_has_two_alive(steps: list[tuple[str, int]]) -> None:
    """Eight attempts take one slot after another; stops, ends and forgets fall anywhere, orders come late or twice.

    The yard knows the end of an attempt when it happens and lets the next one follow the last that is not over; it
    hears of a revocation only when it forgets it; what it has said to forget it never orders again.
    """
    here = Here()
    chain: list[int] = []
    starts: list[int] = []
    follows: dict[int, int] = {}
    forgotten: set[int] = set()

    def check(actions: list[Action]) -> None:
        starts.extend(started(actions))
        alive = [seen.key.job_id for seen in here.observed.values() if seen.stage not in OVER]
        assert len(alive) <= 1
        assert len(set(starts)) == len(starts)

    for step, job in steps:
        if step == "order" and job not in forgotten:
            if job not in follows:
                follows[job] = chain[-1] if chain else 0
                chain.append(job)
            check(here.told(order(job, follows[job])))
        elif step == "stop" and job in follows:
            check(here.told(stop=[stop(job)]))
        elif step == "end" and key(job) in here.observed and here.observed[key(job)].stage not in OVER:
            chain.remove(job)
            check(here.ends(job))
        elif step == "forget" and key(job) in here.observed and here.observed[key(job)].stage == "revoked":
            if job in chain:
                chain.remove(job)
            forgotten.add(job)
            check(here.told(forget=[job]))
    drain(here, check)


def drain(here: Here, check: Callable[[list[Action]], None]) -> None:
    """End what runs until nothing waits: no order is left behind."""
    for _ in range(20):
        alive: Optional[int] = next((s.key.job_id for s in here.observed.values() if s.stage not in OVER), None)
        if alive is None:
            break
        check(here.ends(alive))
    assert not here.desired.start


def test_terms_change_what_is_here_and_what_still_waits() -> None:
    here = Here(j1="started", j2="ended")
    told = tuple(map(terms, (1, 2, 3, 4)))
    here.desired = wanted(here.desired, Answer("yard", 1, 1, (order(3, follows=1),), terms=told))
    assert here.do() == [Adjust(terms(1))]
    assert here.desired.start[key(3)].order.time_limit_s == 60.0
    assert here.do() == []


@given(st.sampled_from(["claimed", "started", "ended", "unkillable"]))
def test_a_viewer_is_let_in_once_and_changes_nothing_else(stage: str) -> None:
    here = Here(j1=stage)
    order = AttachOrder(key(1), "ticket")
    here.desired = wanted(here.desired, Answer("yard", 1, 1, attach=(order,)))
    before = here.observed.copy()
    assert here.do() == [Attach(order)] and here.do() == []
    assert here.observed == before
