"""Hello and beat, by a hand-driven agent: orders arrive until they are acknowledged, facts count once, nothing that is
not committed is forgotten, and what is late, doubled or of another time does no harm."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from runyard.errors import Conflict, InvalidSpec, NotAllowed
from runyard.model.attempt import AttemptKey, Result
from runyard.model.beat import Observed
from runyard.model.filter import JobQuery
from runyard.model.queue import Queue
from runyard.model.spec import ArraySpec, Dependency, GpuRequest, Resources, Retry
from tests.contract.service.harness import Hand, Yard, a_host, job, stop_of

ONE_GPU = Resources(gpus=GpuRequest(1))


# hello


def test_each_hello_is_a_new_incarnation(yard: Yard) -> None:
    hand = yard.agent(greet=False)
    welcome = hand.hello()
    assert (welcome.incarnation, welcome.yard, welcome.epoch) == (1, yard.controller.yard.id, 1)
    late = hand.report()
    assert hand.hello().incarnation == 2
    hand.beat(whole=True)
    with pytest.raises(Conflict, match="incarnation 1"):
        yard.service.beat(late)


def test_a_beat_without_hello(yard: Yard) -> None:
    with pytest.raises(Conflict, match="hello"):
        yard.agent(greet=False).beat()


def test_an_agent_of_another_account(yard: Yard) -> None:
    with pytest.raises(NotAllowed):
        yard.agent(greet=False).hello(uid=4711)
    hand = yard.agent(greet=False)
    hand.hello(user="root")
    assert yard.service.status().agents[0].user == "me"


def test_an_agent_of_a_newer_protocol(yard: Yard) -> None:
    with pytest.raises(Conflict, match="upgrade the server"):
        yard.agent(greet=False).hello(protocol=99)


def test_orders_come_when_the_agent_has_told_what_it_has(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent(greet=False)
    hand.hello()
    assert hand.beat().whole
    assert yard.words() == {made: "queued"}
    answer = hand.beat(whole=True)
    assert not answer.whole
    assert [order.key.job_id for order in answer.start] == [made]


# orders


def test_an_order_has_all_that_a_start_needs(yard: Yard) -> None:
    spec = job(
        "train", "--fast", name="t", environment="e" * 64, script="5" * 64, setup=("cd x",), output="o", input="i",
        time_limit_s=60.0, grace_s=2.0, detach=True, resources=Resources(2, 100, GpuRequest(1)),
    )  # fmt: skip
    (made,) = yard.submit(spec)
    hand = yard.agent(a_host(gpus=2))
    order = hand.orders[hand.key(made)]
    assert (order.command, order.workdir, order.environment, order.script) == (
        ("train", "--fast"), "/tmp", "e" * 64, "5" * 64)  # fmt: skip
    assert (order.setup, order.output, order.input, order.time_limit_s, order.grace_s, order.detach) == (
        ("cd x",), "o", "i", 60.0, 2.0, True)  # fmt: skip
    assert (order.cpus, order.memory_mb, order.devices, order.assigned_boot_id) == (
        2, 100, ("GPU-one-0",), "boot-of-one")  # fmt: skip
    assert dict(order.variables) == {
        "RUNYARD_JOB_ID": str(made), "RUNYARD_ATTEMPT": "1", "RUNYARD_JOB_NAME": "t", "RUNYARD_QUEUE": "default",
        "CUDA_VISIBLE_DEVICES": "GPU-one-0", "RUNYARD_GPUS": "0",
    }  # fmt: skip


def test_a_job_without_gpus_sees_none_where_there_are_some(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent(a_host(gpus=1))
    assert dict(hand.orders[hand.key(made)].variables)["CUDA_VISIBLE_DEVICES"] == ""


def test_an_order_is_in_every_answer_until_one_is_acknowledged(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    first = yard.service.beat(hand.report())
    second = yard.service.beat(hand.report())
    assert [order.key.job_id for order in first.start] == [made]
    assert second.start == first.start
    assert second.number == first.number + 1
    hand.apply(first)
    assert yard.service.beat(hand.report()).start == ()


def test_what_was_decided_after_an_answer_is_not_acknowledged_by_it(yard: Yard) -> None:
    hand = yard.agent()
    (one,) = yard.submit()
    answer = yard.service.beat(hand.report())
    (two,) = yard.submit()
    hand.apply(answer)
    assert [order.key.job_id for order in hand.beat().start] == [two]
    assert one != two


def test_the_walk_of_one_job(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    assert hand.beat().start
    assert yard.words() == {made: "starting"}
    hand.starts(made)
    assert yard.words() == {made: "running"}
    answer = hand.ends(made)
    assert answer.forget == (hand.key(made),)
    assert yard.words() == {made: "succeeded"}
    assert hand.beat().forget == ()


def test_a_beat_waits_for_news(yard: Yard) -> None:
    hand = yard.agent()
    if yard.connect() is yard.service:
        assert hand.beat(wait_s=60.0).empty
        return
    with ThreadPoolExecutor() as pool:
        other = yard.connect()
        future = pool.submit(other.beat, hand.report(wait_s=60.0))
        (made,) = yard.submit()
        answer = future.result(30)
        assert [order.key.job_id for order in answer.start] == [made]


@pytest.mark.parametrize("yard", ["remote"], indirect=True)
def test_a_new_beat_ends_the_waiting_one(yard: Yard) -> None:
    hand = yard.agent()
    with ThreadPoolExecutor() as pool:
        other = yard.connect()
        after = yard.service.changed((), 0, 0)
        future = pool.submit(other.beat, hand.report(wait_s=60.0))
        yard.service.changed((f"beat:{hand.name}",), after, 30.0)
        newer = hand.report(wait_s=0.0)
        assert yard.service.beat(newer).empty
        assert future.result(30).empty


def test_an_agent_without_news_is_no_longer_connected(yard: Yard) -> None:
    hand = yard.agent()
    yard.sleep(61)
    (made,) = yard.submit()
    assert yard.row(made).reason == "the agent of me is not up yet"
    assert hand.beat().start
    assert yard.words() == {made: "starting"}


# facts


def test_a_fact_that_is_told_twice_counts_once(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    for _ in range(3):
        hand.starts(made)
    assert len(yard.service.job(made).events) == 3
    for _ in range(3):
        assert hand.ends(made).forget == (hand.key(made),)
    assert len(yard.service.job(made).events) == 4


def test_an_end_before_the_start(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    key = hand.key(made)
    started = Observed(key, "started", pid=5, started_at=yard.clock.at)
    hand.beat(
        Observed(key, "ended", pid=5, started_at=yard.clock.at, ended_at=yard.clock.at + 1, result=Result("runner", 0))
    )
    hand.beat(started)
    detail = yard.service.job(made)
    assert detail.row.word == "succeeded"
    assert detail.attempts[0].started_at == yard.clock.at
    assert len(detail.events) == 3


def test_an_end_without_a_result(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.beat(hand.see(hand.key(made), "ended"))
    assert yard.words() == {made: "lost"}


def test_a_start_that_the_agent_refuses_is_tried_again_after_a_pause(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit(job(retry=Retry(0)))
    hand.beat()
    hand.revokes(made, "GPU 0: process 4 of eve")
    assert (yard.row(made).word, yard.row(made).reason) == ("waiting", "GPU 0: process 4 of eve")
    yard.sleep(3.1)
    assert yard.words() == {made: "starting"}
    hand.beat()
    assert hand.key(made).number == 2


def test_a_lost_attempt_ends_the_job_or_is_repeated_as_the_queue_says(yard: Yard) -> None:
    yard.service.save_queue(Queue("again", on_lost="requeue"))
    ends, again = yard.submit(job(), job(queue="again"))
    hand = yard.agent()
    for made in (ends, again):
        hand.ends(made, 9, "lost", "the host was restarted")
    assert yard.words() == {ends: "lost", again: "starting"}
    assert yard.row(ends).reason == "the host was restarted"


def test_retries_with_a_pause_that_doubles(yard: Yard) -> None:
    (made,) = yard.submit(job(retry=Retry(2, (), 10.0)))
    hand = yard.agent()
    for number, pause in ((1, 10.0), (2, 20.0)):
        assert hand.key(made).number == number
        hand.ends(made, 0x100)
        row = yard.row(made)
        assert (row.word, row.state) == ("waiting", "pending")
        assert f"attempt {number} ended failed" in row.reason
        assert yard.service.explain(made).starts_from == yard.clock.at + pause
        yard.sleep(pause - 1)
        assert yard.row(made).word == "waiting"
        yard.sleep(1.5)
        hand.beat()
    hand.ends(made, 0x100)
    assert yard.row(made).word == "failed"
    assert [attempt.number for attempt in yard.service.job(made).attempts] == [1, 2, 3]


def test_a_late_word_about_an_earlier_attempt_is_ignored(yard: Yard) -> None:
    (made,) = yard.submit(job(retry=Retry(1)))
    hand = yard.agent()
    old = hand.key(made)
    hand.ends(made, 0x100)
    hand.beat()
    assert hand.key(made).number == 2
    hand.starts(made)
    answer = hand.beat(Observed(old, "ended", result=Result("runner", 0)), Observed(old, "started", pid=9))
    assert answer.forget == (old,)
    assert yard.row(made).word == "running"


def test_dependants_go_on_with_the_result(yard: Yard) -> None:
    first, ok, any_, notok = yard.submit(
        job(), job(after=(Dependency(-1),)), job(after=(Dependency(-1, "afterany"),)),
        job(after=(Dependency(-1, "afternotok"),)),
    )  # fmt: skip
    hand = yard.agent()
    hand.ends(first, 0x100)
    assert yard.words() == {first: "failed", ok: "skipped", any_: "starting", notok: "starting"}


def test_who_waits_for_a_job_can_be_selected(yard: Yard) -> None:
    after = {"after": (Dependency(-1),)}
    first, *waiting = yard.submit(job(), job(**after), job(**after, hold=True))
    other, last = yard.submit(job(), job(after=(Dependency(-1), Dependency(first, "afterany"))))

    def found(*selectors: str) -> list[int]:
        return [row.id for row in yard.service.jobs(JobQuery(selectors))]

    assert found(f"after:{first}") == [*waiting, last]
    assert found(f"after:{other}", f"after:{first}", str(other)) == [*waiting, other, last]
    assert found(f"after:{last}", "after:99") == []


def test_dependants_of_a_lost_job_wait_and_say_so(yard: Yard) -> None:
    first, second = yard.submit(job(), job(after=(Dependency(-1),)))
    hand = yard.agent()
    hand.ends(first, 0, "lost")
    assert yard.words() == {first: "lost", second: "waiting"}
    assert "Nobody knows how job" in yard.service.explain(second).sentence


def test_unkillable_is_a_flag_and_its_cpus_are_free(yard: Yard) -> None:
    first, second, third = yard.submit(*[job(resources=Resources(4)) for _ in range(2)], job(resources=ONE_GPU))
    hand = yard.agent(a_host(gpus=1))
    hand.starts(first)
    assert yard.words()[second] == "queued"
    hand.beat(hand.see(hand.key(first), "unkillable"))
    assert yard.row(first).flags == ("unkillable",)
    assert yard.service.status().running[0].stage == "unkillable"
    assert yard.words()[second] == "starting"
    assert yard.words()[third] == "queued"
    hand.ends(first, 9, "cancelled")
    assert yard.row(first).flags == ()


def test_an_unkillable_attempt_keeps_its_gpu(yard: Yard) -> None:
    first, second = yard.submit(job(resources=ONE_GPU), job(resources=ONE_GPU))
    hand = yard.agent(a_host(gpus=1))
    hand.starts(first)
    hand.beat(hand.see(hand.key(first), "unkillable"))
    assert yard.words()[second] == "queued"


def test_a_silent_host_is_flagged(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent()
    hand.starts(made)
    yard.clock.at += 91
    assert yard.row(made).flags == ("unreachable",)
    hand.beat()
    assert yard.row(made).flags == ()


# what an agent has, against what the yard has on it


def test_a_new_incarnation_is_told_again_what_is_assigned(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    key = hand.beat().start[0].key
    hand.hello()
    answer = hand.beat(whole=True)
    assert [order.key for order in answer.start] == [key]
    assert yard.words() == {made: "starting"}


def test_a_new_incarnation_that_has_started_it_meanwhile(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    seen = hand.see(hand.key(made), "started", pid=6, started_at=yard.clock.at)
    hand.hello()
    assert hand.beat(seen, whole=True).start == ()
    assert yard.row(made).pid == 6


def test_what_was_running_and_is_not_there_any_more_is_lost(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.starts(made)
    hand.hello()
    hand.here.clear()
    hand.beat(whole=True)
    assert (yard.row(made).word, yard.row(made).reason) == ("lost", "its host has no record of it any more")


def test_a_late_first_report_says_nothing_of_what_started_since(yard: Yard) -> None:
    """It was on its way when a newer one arrived: what it does not name was not yet there."""
    hand = yard.agent(greet=False)
    hand.hello()
    late = hand.report(whole=True, host=replace(hand.host, cpus=1))
    hand.beat(whole=True)
    (made,) = yard.submit()
    hand.beat()
    hand.starts(made)
    yard.service.beat(late)
    assert yard.words() == {made: "running"}
    assert yard.service.hosts()[0].cpus == 4


def test_an_attempt_that_nobody_knows_is_shown_and_neither_stopped_nor_forgotten(yard: Yard) -> None:
    hand = yard.agent(a_host(gpus=1), greet=False)
    stranger = AttemptKey(77, 1, "of-another-time")
    hand.hello()
    answer = hand.beat(hand.see(stranger, "started", pid=9), whole=True)
    assert (answer.stop, answer.forget) == ((), ())
    assert yard.service.status().agents[0].unknown == ("77.1",)
    answer = hand.beat(hand.see(stranger, "ended", result=Result("runner", 0)))
    assert answer.forget == ()
    hand.hello()
    assert hand.beat(*hand.here.values(), whole=True).forget == ()
    assert yard.service.status().agents[0].unknown == ("77.1",)


def test_the_same_number_with_another_token_says_that_the_store_went_back(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    other = AttemptKey(made, 1, "another-token")
    answer = hand.beat(Observed(other, "started", pid=1), Observed(other, "ended", result=Result("runner", 0)))
    assert answer.forget == ()
    assert yard.words() == {made: "starting"}
    hand.see(other, "ended")
    hand.hello()
    assert hand.beat(whole=True).forget == ()
    assert yard.service.status().agents[0].unknown == (f"{made}.1",)
    assert "older copy" in yard.service.status().problems[0]
    assert hand.ends(made).forget == (), "the newer store would miss the result"
    with pytest.raises(Conflict, match="--accept-older-store"):
        yard.submit()


def test_an_older_store_that_a_person_has_accepted_stays_accepted(yard: Yard) -> None:
    (made,) = yard.submit()
    other = AttemptKey(made, 1, "another-token")
    hand = yard.agent(greet=False)
    hand.see(other, "started", pid=9)
    yard.controller.accepted = True
    assert hand.hello().accepted
    hand.beat(*hand.here.values(), whole=True)
    assert yard.service.status().problems == ()
    yard.controller.accepted = False  # the next server
    hand.hello()
    hand.beat(*hand.here.values(), whole=True)
    assert yard.service.status().problems == ()
    hand.see(AttemptKey(made, 2, "a-third"), "started", pid=10)
    hand.hello()
    hand.beat(*hand.here.values(), whole=True)
    assert f"attempt {made}.2, which it never gave" in yard.service.status().problems[0]


def test_what_runs_on_after_the_yard_has_settled_it_keeps_its_devices(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    seen = hand.see(hand.key(made), "started", pid=9, started_at=yard.clock.at)
    hand.beat(seen)
    hand.hello()
    hand.beat(whole=True, all=())
    assert yard.words() == {made: "lost"}
    hand.hello()
    assert hand.beat(seen, whole=True).forget == ()
    assert yard.service.status().agents[0].unknown == (f"{made}.1",)
    assert hand.ends(made).forget == (hand.key(made),)
    assert yard.service.status().agents[0].unknown == ()
    assert yard.words() == {made: "lost"}


# a store that went back


def test_an_agent_that_has_seen_more_of_this_yard(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent(greet=False)
    feed = yard.store.feed()
    assert not hand.hello(yard=yard.controller.yard.id, epoch=1, feed=feed).accepted
    assert yard.service.status().problems == ()
    welcome = hand.hello(yard=yard.controller.yard.id, epoch=1, feed=feed + 1)
    assert welcome.feed == feed
    hand.beat(whole=True, problem="the store ends at event 1")
    (halted, problem) = yard.service.status().problems
    assert "older copy" in halted
    assert problem == f"agent {hand.name}: the store ends at event 1"
    assert yard.words() == {made: "queued"}
    assert "older copy" in yard.service.explain(made).sentence


def test_an_agent_that_has_seen_a_later_epoch(yard: Yard) -> None:
    hand = yard.agent(greet=False)
    hand.hello(yard=yard.controller.yard.id, epoch=2)
    assert "epoch 2" in yard.service.status().problems[0]


def test_an_agent_of_another_yard(yard: Yard) -> None:
    (made,) = yard.submit()
    hand = yard.agent(greet=False)
    hand.hello(yard="another", epoch=9, feed=10**9)
    hand.beat(whole=True)
    assert yard.service.status().problems == ()
    assert yard.words() == {made: "starting"}


def test_an_agent_with_a_problem_gets_nothing_and_keeps_waiting(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    assert hand.beat(problem="this is another yard").empty
    (second,) = yard.submit()
    assert yard.words()[second] == "queued"
    answer = hand.beat(problem="")
    assert [order.key.job_id for order in answer.start] == [made, second]


def test_an_operator_may_accept_an_older_store(yard: Yard) -> None:
    yard.controller.accepted = True
    hand = yard.agent(greet=False)
    assert hand.hello(yard=yard.controller.yard.id, epoch=9, feed=10**9).accepted
    assert yard.service.status().problems == ()


# successors


def fill(yard: Yard, count: int) -> tuple[Hand, tuple[int, ...]]:
    """A host with one CPU, short jobs that have run, and as many more as named."""
    hand = yard.agent(a_host(cpus=1))
    (first,) = yard.submit()
    hand.beat()
    hand.starts(first)
    hand.ends(first)
    ids = yard.submit(*[job() for _ in range(count)])
    hand.beat()
    return hand, ids


def follows(yard: Yard, job_id: int) -> str:
    return yard.service.job(job_id).attempts[-1].placements[0].follows


def test_short_jobs_are_named_ahead_and_move_up(yard: Yard) -> None:
    hand, ids = fill(yard, 4)
    assert set(ids) <= {key.job_id for key in hand.orders}
    assert [hand.orders[hand.key(made)].follows for made in ids] == ["", *[f"{made}.1" for made in ids[:-1]]]
    assert yard.words()[ids[1]] == "queued"
    assert yard.row(ids[1]).reason == f"starts when {ids[0]}.1 has ended"
    (queue,) = yard.service.queues()
    assert (queue.waiting, queue.running) == (3, 1)
    assert (len(yard.service.status().running), yard.service.status().waiting) == (1, 3)
    hand.ends(ids[0])
    assert follows(yard, ids[1]) == ""
    assert follows(yard, ids[2]) == f"{ids[1]}.1"


def test_a_chain_that_ended_at_once_leaves_nobody_to_move_up_but_the_next(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    hand, ids = fill(yard, 4)
    with caplog.at_level("INFO", logger="runyard"):
        hand.beat(*[hand.see(hand.key(made), "ended", result=Result("runner", 0)) for made in ids[:3]])
    assert list(yard.words().values())[-4:] == ["succeeded"] * 3 + ["starting"]
    assert follows(yard, ids[3]) == ""
    kinds = [type(recorded.event).__name__ for recorded in yard.service.job(ids[1]).events]
    assert kinds == ["Submitted", "Assigned", "Ended"]
    assert "has ended already" not in caplog.text


def test_a_revoked_successor_is_passed_over(yard: Yard) -> None:
    hand, ids = fill(yard, 4)
    assert yard.service.stop(stop_of(ids[1])).changed == (ids[1],)
    hand.revokes(ids[1])
    assert follows(yard, ids[2]) == f"{ids[0]}.1"
    hand.beat(hand.see(hand.key(ids[0]), "ended", result=Result("runner", 0)), hand.see(hand.key(ids[2]), "revoked"))
    assert follows(yard, ids[3]) == ""
    assert set(yard.controller.followers) == {f"{ids[3]}.1"}


def test_who_waits_behind_a_job_that_takes_long_goes_back(yard: Yard) -> None:
    hand, ids = fill(yard, 4)
    hand.starts(ids[0])
    hand.beat()
    yard.clock.at += 1.0
    yard.submit()  # any news: the clock of a test wakes nobody
    assert [key.job_id for key in hand.beat().revoke] == list(ids[1:])
    hand.beat(*[hand.see(hand.key(made), "revoked") for made in ids[1:]])
    assert [yard.words()[made] for made in ids] == ["running", "queued", "queued", "queued"]
    assert {yard.row(made).reason for made in ids[1:]} == {"1 CPU; 0 free"}, "none is named ahead again"
    assert yard.controller.followers == {}


def test_a_paused_queue_takes_back_who_was_named_ahead(yard: Yard) -> None:
    hand, ids = fill(yard, 3)
    (row,) = yard.service.queues()
    yard.service.save_queue(replace(row.queue, paused=True))
    assert [key.job_id for key in hand.beat().revoke] == list(ids[1:])
    hand.beat(*[hand.see(hand.key(made), "revoked") for made in ids[1:]])
    hand.ends(ids[0])
    assert [yard.words()[made] for made in ids] == ["succeeded", "queued", "queued"]


def test_who_was_named_ahead_can_be_held(yard: Yard) -> None:
    hand, ids = fill(yard, 3)
    assert yard.service.hold((ids[1],)).changed == (ids[1],)
    assert yard.words()[ids[1]] == "held"
    hand.hello()
    answer = hand.beat(*hand.here.values(), whole=True)
    assert [key.job_id for key in answer.revoke] == [ids[1]]
    hand.revokes(ids[1])
    assert (yard.words()[ids[1]], follows(yard, ids[2])) == ("held", f"{ids[0]}.1")
    assert "only a job that waits" in yard.service.hold((ids[0],)).refused[ids[0]]


def test_a_new_incarnation_hears_whom_its_orders_follow_now(yard: Yard) -> None:
    """2 was revoked by an agent that died before it could tell; who followed 2 follows 1."""
    hand, ids = fill(yard, 3)
    hand.starts(ids[0])
    yard.service.stop(stop_of(ids[1]))
    hand.beat()
    hand.see(hand.key(ids[1]), "revoked")
    hand.hello()
    hand.orders.clear()
    answer = hand.beat(*hand.here.values(), whole=True)
    assert [(order.key.job_id, order.follows) for order in answer.start] == [(ids[2], f"{ids[0]}.1")]


def test_what_is_to_stop_before_it_started_is_told_with_its_order(yard: Yard) -> None:
    hand, ids = fill(yard, 3)
    yard.service.stop(stop_of(ids[1]))
    hand.hello()
    answer = hand.beat(whole=True)
    assert [order.key.job_id for order in answer.start] == list(ids)
    assert [order.key.job_id for order in answer.stop] == [ids[1]]


def test_an_array_that_runs_one_by_one(yard: Yard) -> None:
    hand = yard.agent()
    ids = yard.submit(array=ArraySpec((1, 2, 3), parallel=1))
    hand.beat()
    for made in ids:
        hand.starts(made)
        hand.ends(made)
        hand.beat()
    assert set(yard.words().values()) == {"succeeded"}


# the service takes nothing on trust


def test_a_report_for_another_rank(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    for rank in (1, -1, 99):
        hand.beat(Observed(hand.key(made), "started", rank, 5))
    assert yard.words() == {made: "starting"}


def test_a_stage_that_nobody_knows(yard: Yard) -> None:
    hand = yard.agent()
    (made,) = yard.submit()
    hand.beat()
    hand.beat(Observed(hand.key(made), "dreaming"))
    assert yard.words() == {made: "starting"}


def test_a_path_that_names_another_agent(yard: Yard) -> None:
    hand = yard.agent()
    hand.name = "other"
    with pytest.raises((Conflict, InvalidSpec)):
        hand.beat()
