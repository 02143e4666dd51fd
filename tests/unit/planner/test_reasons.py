"""Why a shape waits: an example for each reason that the planner gives."""

from __future__ import annotations

from dataclasses import replace

from runyard.model.host import DeviceProcess
from runyard.model.queue import Queue
from runyard.model.view import HostView, Reason
from runyard.planner.planner import plan
from tests.unit.planner.build import CPU, GPU, NOW, asks, gpu, host, runs, shape, started, yard


def test_a_paused_queue_starts_nothing_and_says_why() -> None:
    paused = Queue("night", paused=True, reason="job 3 failed")
    made = plan(yard(host(), [shape(1, 10, queue="night"), shape(2, 11)], queues=[paused]))
    assert started(made) == [11]
    assert made.reasons == {1: Reason("queue-paused", "queue night is paused: job 3 failed")}


def test_a_queue_at_its_limit_names_what_runs_in_it_soonest_end_first() -> None:
    held = [runs(7, queue="few"), runs(8, queue="few", ends_in=600), runs(9)]
    made = plan(yard(host(), [shape(1, 10, queue="few")], held, queues=[Queue("few", parallel=2)]))
    assert made.reasons[1] == Reason("queue-limit", "queue few runs 2 of 2", (8, 7), NOW + 600)


def test_decisions_of_this_round_count_against_the_limit() -> None:
    made = plan(yard(host(), [shape(1, [10, 11, 12], queue="few")], queues=[Queue("few", parallel=2)]))
    assert started(made) == [10, 11]
    assert made.reasons[1].text == "queue few runs 2 of 2"


def test_an_unkillable_job_does_not_stop_its_queue() -> None:
    held = [runs(9, unkillable=True)]
    assert started(plan(yard(host(), [shape(1, 10)], held, queues=[Queue(parallel=1)]))) == [10]


def test_an_array_at_its_limit() -> None:
    made = plan(yard(host(), [shape(1, [10, 11], group=5)], [runs(9, group=5)], limits={5: 2}))
    assert started(made) == [10]
    assert made.reasons[1] == Reason("group-limit", "its group runs 2 of 2", (9, 10), None)


def test_a_draining_yard() -> None:
    made = plan(yard(host(), [shape(1, 10)], draining=True))
    assert made.decisions == ()
    assert made.reasons[1].code == "draining"


def test_a_draining_host_that_alone_could_hold_it() -> None:
    large = host("large", cpus=64)
    large = replace(large, host=replace(large.host, draining=True))
    made = plan(yard([large, host("small")], [shape(1, 10, asks(cpus=32))]))
    assert made.reasons[1] == Reason("draining", "large is draining")


def test_no_agent_of_the_user_anywhere() -> None:
    made = plan(yard([host(users="bob")], [shape(1, 10)]))
    assert made.reasons[1] == Reason("no-agent", "the agent of ann is not up yet")


def test_no_agent_of_the_user_where_it_would_fit() -> None:
    made = plan(yard([host("small"), host("large", cpus=64, users="bob")], [shape(1, 10, asks(cpus=32))]))
    assert made.reasons[1].code == "no-agent"
    assert "large" in made.reasons[1].text


def test_more_than_any_host_has_is_never() -> None:
    made = plan(yard(host(gpus=2), [shape(1, 10, asks(gpus=3)), shape(2, 11, asks(indices=(7,)))]))
    assert made.reasons[1] == Reason("never", "asks for 1 CPU, 3 GPUs; no host has that")
    assert made.reasons[2] == Reason("never", "asks for 1 CPU, GPU 7; no host has that")


def test_a_larger_share_than_the_device_has_is_never() -> None:
    made = plan(yard(host(gpus=2), [shape(1, 10, asks(gpus=1, share_mb=50_000))]))
    assert made.reasons[1].code == "never"


def test_gpus_in_use_name_who_holds_them_and_until_when() -> None:
    held = [runs(8, GPU, gpus=[0], ends_in=900), runs(9, GPU, gpus=[1], ends_in=300)]
    made = plan(yard(host(gpus=3), [shape(1, 10, asks(gpus=2))], held))
    assert made.reasons[1] == Reason("resources", "2 GPUs; 1 free", (9,), NOW + 300)


def test_cpus_and_memory_in_use_are_told_together() -> None:
    made = plan(yard(host(), [shape(1, 10, asks(cpus=4, memory_mb=2048))], [runs(9, asks(cpus=6, memory_mb=63_000))]))
    assert made.reasons[1] == Reason("resources", "4 CPUs (2 free), 2 GB memory (1000 MB free)", (9,), None)


def test_where_there_are_several_hosts_the_nearest_is_named() -> None:
    held = [runs(8, GPU, on="one", gpus=[0]), runs(9, GPU, on="two", gpus=[0], ends_in=60)]
    made = plan(yard([host("one", gpus=1), host("two", gpus=1)], [shape(1, 10, GPU)], held))
    assert made.reasons[1] == Reason("resources", "1 GPU; 0 free on two", (9,), NOW + 60)


def test_a_foreign_process_is_named_with_gpu_user_pid_and_memory() -> None:
    assert foreign_reason(host(gpus=[replace(gpu(0), processes=(DeviceProcess(4711, "bob", 9_000),))])) == Reason(
        "foreign", "GPU 0: process 4711 of bob holds 9000 MB"
    )


def test_memory_that_no_visible_process_holds_is_foreign() -> None:
    where = host(gpus=[replace(gpu(0), used_mb=9_000)])
    assert foreign_reason(where) == Reason("foreign", "GPU 0: 9000 MB in use, no process visible")


def test_a_faulty_device_is_not_given_out() -> None:
    where = host(gpus=[replace(gpu(0), fault="fallen off the bus")])
    assert foreign_reason(where) == Reason("foreign", "GPU 0: fallen off the bus")


def foreign_reason(where: HostView) -> Reason:
    made = plan(yard(where, [shape(1, 10, GPU)]))
    assert made.decisions == ()
    return made.reasons[1]


def test_where_our_own_jobs_will_make_room_the_outsider_is_told_beside() -> None:
    busy = replace(gpu(1), processes=(DeviceProcess(4711, "bob", 9_000),))
    made = plan(yard(host(gpus=[gpu(0), busy]), [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0])]))
    text = "1 GPU; 0 free; GPU 1: process 4711 of bob holds 9000 MB"
    assert made.reasons[1] == Reason("resources", text, (9,), None)


def test_a_gpu_of_an_unkillable_job_names_that_job() -> None:
    made = plan(yard(host(gpus=1), [shape(1, 10, GPU)], [runs(9, GPU, gpus=[0], unkillable=True)]))
    assert made.reasons[1] == Reason("resources", "1 GPU; 0 free; job 9 cannot be killed", (9,))


def test_what_is_kept_for_an_earlier_job_names_that_job() -> None:
    held = [runs(9, GPU, gpus=[0])]
    made = plan(yard(host(gpus=2), [shape(1, 10, asks(gpus=2)), shape(2, 11, GPU)], held))
    assert made.reasons[2] == Reason("priority", "job 10 comes first", (10,))


def test_jobs_that_this_view_does_not_list_have_a_reason_too() -> None:
    made = plan(yard(host(), [shape(1, 10, CPU, unseen=3)]))
    assert made.reasons[1].code == "priority"


def test_a_shape_whose_jobs_all_start_has_no_reason() -> None:
    assert plan(yard(host(), [shape(1, [10, 11])])).reasons == {}
