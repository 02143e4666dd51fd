"""Which host and which devices a job gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runyard.model.host import DeviceProcess
from runyard.planner.planner import plan
from tests.unit.planner.build import CPU, GPU, asks, decision_of, gpu, host, indices, runs, shape, started, yard


def test_the_first_host_that_fits_is_filled_before_the_next() -> None:
    made = plan(yard([host("one", cpus=2), host("two", cpus=2)], [shape(1, range(10, 14))]))
    assert [decision.placement.host for decision in made.decisions] == ["one", "one", "two", "two"]


def test_a_placement_names_agent_boot_and_what_it_holds() -> None:
    made = plan(yard(host(gpus=2), [shape(1, 10, asks(cpus=3, gpus=2, memory_mb=1000))]))
    placement = decision_of(made, 10).placement
    assert (placement.agent, placement.host, placement.boot_id) == ("ann@one", "one", "boot-one")
    assert (placement.cpus, placement.memory_mb, placement.device_memory_mb) == (3, 1000, 0)
    assert placement.devices == ("GPU-one-0", "GPU-one-1")


def test_whole_devices_are_exclusive_and_the_lowest_indices_go_first() -> None:
    made = plan(yard(host(gpus=4), [shape(1, 10, asks(gpus=2)), shape(2, [11, 12], GPU)], [runs(9, GPU, gpus=[1])]))
    assert indices(made, 10) == [0, 2]
    assert indices(made, 11) == [3]
    assert started(made) == [10, 11]


def test_a_job_without_cpus_starts_on_a_full_host() -> None:
    made = plan(yard(host(cpus=1), [shape(1, 10, asks(cpus=0))], [runs(9)]))
    assert started(made) == [10]


def test_memory_that_nobody_asked_for_is_not_counted() -> None:
    made = plan(yard(host(memory_mb=1000), [shape(1, [10, 11]), shape(2, [12, 13], asks(memory_mb=600))]))
    assert started(made) == [10, 11, 12]


def test_shares_of_a_device_add_up_to_its_memory() -> None:
    made = plan(yard(host(gpus=1), [shape(1, range(10, 16), asks(gpus=1, share_mb=10_000))]))
    assert started(made) == [10, 11, 12, 13]


def test_sharing_jobs_pack_onto_the_fullest_device_that_fits() -> None:
    share = asks(gpus=1, share_mb=15_000)
    held = [runs(8, asks(gpus=1, share_mb=5_000), gpus=[0]), runs(9, asks(gpus=1, share_mb=20_000), gpus=[1])]
    made = plan(yard(host(gpus=3), [shape(1, range(10, 15), share)], held))
    assert [indices(made, job) for job in (10, 11, 12, 13)] == [[1], [0], [0], [2]]


def test_a_sharing_job_never_sits_beside_one_with_the_whole_device() -> None:
    share = asks(gpus=1, share_mb=1_000)
    assert not started(plan(yard(host(gpus=1), [shape(1, 10, share)], [runs(9, GPU, gpus=[0])])))
    assert not started(plan(yard(host(gpus=1), [shape(1, 10, GPU)], [runs(9, share, gpus=[0])])))


def test_a_share_of_two_devices_takes_two_different_ones() -> None:
    made = plan(yard(host(gpus=2), [shape(1, 10, asks(gpus=2, share_mb=1_000))]))
    assert indices(made, 10) == [0, 1]


@pytest.mark.parametrize("model", ["a100", "A100-SXM4", "nvidia a100"])
def test_a_model_matches_in_any_case_as_a_part_of_the_name(model: str) -> None:
    where = host(gpus=[gpu(0, model="Tesla V100"), gpu(1)])
    assert indices(plan(yard(where, [shape(1, 10, asks(gpus=1, model=model))])), 10) == [1]


def test_indices_ask_for_those_very_devices() -> None:
    where = host(gpus=4)
    assert indices(plan(yard(where, [shape(1, 10, asks(indices=(3, 1)))])), 10) == [1, 3]
    assert not started(plan(yard(where, [shape(1, 10, asks(indices=(3, 1)))], [runs(9, GPU, gpus=[3])])))


def test_a_foreign_process_keeps_only_its_own_device() -> None:
    busy = replace(gpu(0), processes=(DeviceProcess(4711, "bob", 9_000),))
    assert indices(plan(yard(host(gpus=[busy, gpu(1)]), [shape(1, [10, 11], GPU)])), 10) == [1]


def test_processes_of_our_attempts_are_not_foreign() -> None:
    ours = replace(gpu(0), used_mb=9_000, processes=(DeviceProcess(4711, "ann", 9_000, attempt="9.1"),))
    assert started(plan(yard(host(gpus=[ours]), [shape(1, 10, GPU)]))) == [10]


def test_an_attempt_unknown_to_the_yard_keeps_its_device() -> None:
    theirs = replace(gpu(0), processes=(DeviceProcess(4711, "ann", 9_000, attempt="9.1"),))
    where = replace(host(gpus=[theirs]), unknown=("9.1",))
    made = plan(yard(where, [shape(1, 10, GPU)]))
    assert not started(made)
    assert "attempt 9.1, unknown to this yard" in made.reasons[1].text


def test_memory_in_use_does_not_keep_others_from_a_device_that_our_jobs_share() -> None:
    share = asks(gpus=1, share_mb=10_000)
    shared = replace(gpu(0), used_mb=9_000)
    assert started(plan(yard(host(gpus=[shared]), [shape(1, 10, share)], [runs(9, share, gpus=[0])]))) == [10]
    assert not started(plan(yard(host(gpus=[shared]), [shape(1, 10, share)])))


def test_a_little_memory_in_use_is_nobody() -> None:
    assert started(plan(yard(host(gpus=[replace(gpu(0), used_mb=500)]), [shape(1, 10, GPU)]))) == [10]


def test_who_follows_a_running_attempt_holds_nothing_yet() -> None:
    held = [runs(8, cpus_2 := asks(cpus=2)), runs(9, cpus_2, follows="8.1")]
    assert started(plan(yard(host(cpus=4), [shape(1, 10, cpus_2)], held))) == [10]


def test_who_follows_an_attempt_that_is_gone_has_taken_over() -> None:
    assert not started(plan(yard(host(cpus=1), [shape(1, 10)], [runs(9, CPU, follows="8.1")])))


def test_an_unkillable_job_keeps_its_gpu_but_not_its_cpus() -> None:
    held = [runs(9, asks(cpus=8, gpus=1), gpus=[0], unkillable=True)]
    made = plan(yard(host(gpus=2), [shape(1, [10, 11], asks(cpus=4, gpus=1))], held))
    assert started(made) == [10]
    assert indices(made, 10) == [1]


def test_a_job_goes_where_its_user_has_an_agent() -> None:
    hosts = [host("one", users="bob"), host("two", users="ann bob")]
    assert decision_of(plan(yard(hosts, [shape(1, 10)])), 10).placement.agent == "ann@two"


def test_a_draining_host_gets_nothing() -> None:
    one = host("one")
    hosts = [replace(one, host=replace(one.host, draining=True)), host("two")]
    assert decision_of(plan(yard(hosts, [shape(1, 10)])), 10).placement.host == "two"
