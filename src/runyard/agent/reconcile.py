"""What an agent does next: pure, from what the yard wants and what is here.

Absence stops nothing: only orders that were given lead to actions. An order whose attempt is here already starts
nothing. An order that follows another attempt waits until that is over; where that one is revoked before it ever
started, the order follows the one before it, also if it comes only afterwards. The same request to stop, told again in
another answer, is carried out once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Union

from runyard.model.attempt import AttemptKey
from runyard.model.beat import OVER, Answer, AttachOrder, Observed, Order, StopOrder, Terms
from runyard.model.record import changed


@dataclass(frozen=True)
class Start:
    """Hand the order to its engine."""

    order: Order


@dataclass(frozen=True)
class Stop:
    """End what runs."""

    order: StopOrder


@dataclass(frozen=True)
class Adjust:
    """Change how it goes on."""

    terms: Terms


@dataclass(frozen=True)
class Revoke:
    """Take the claim, so that it never starts."""

    key: AttemptKey


@dataclass(frozen=True)
class Lose:
    """It was assigned before this boot: it may have started, and nobody knows how it ended."""

    order: Order


@dataclass(frozen=True)
class Forget:
    """Its result is committed."""

    key: AttemptKey


@dataclass(frozen=True)
class Attach:
    """Somebody wants to see its terminal."""

    order: AttachOrder


Action = Union[Start, Stop, Adjust, Revoke, Lose, Forget, Attach]


class Waiting(NamedTuple):
    """An order that is not carried out yet, and the name of its attempt ("12.1")."""

    name: str
    order: Order


@dataclass(frozen=True)
class Desired:
    """What has been ordered and is not carried out yet; `start` keeps its order.

    `passed` says of revoked attempts ("12.1") whom they followed, as long as that one is not over; `stopped` holds the
    last stop of each attempt that was carried out.
    """

    start: dict[AttemptKey, Waiting] = field(default_factory=dict)
    stop: tuple[StopOrder, ...] = ()
    terms: tuple[Terms, ...] = ()
    forget: tuple[AttemptKey, ...] = ()
    revoke: tuple[AttemptKey, ...] = ()
    attach: tuple[AttachOrder, ...] = ()
    passed: dict[str, str] = field(default_factory=dict)
    stopped: dict[AttemptKey, StopOrder] = field(default_factory=dict)


def wanted(desired: Desired, answer: Answer) -> Desired:
    """What is desired after another answer."""
    return replace(
        put_off(desired, answer.start),
        stop=desired.stop + answer.stop,
        terms=desired.terms + answer.terms,
        forget=desired.forget + answer.forget,
        revoke=desired.revoke + answer.revoke,
        attach=desired.attach + answer.attach,
    )


def put_off(desired: Desired, orders: Iterable[Order]) -> Desired:
    """The same with these orders behind the others; one that is there already stays as it is."""
    more = {order.key: Waiting(str(order.key), order) for order in orders if order.key not in desired.start}
    return replace(desired, start={**desired.start, **more})


def reconcile(
    desired: Desired, observed: Mapping[AttemptKey, Observed], boot_id: str
) -> tuple[tuple[Action, ...], Desired]:
    """The actions to take now, and what stays to be done. All but starts, which may have to wait, is settled."""
    if not (desired.start or desired.stop or desired.terms or desired.forget or desired.revoke or desired.attach):
        return (), desired
    waiting = dict(desired.start)  # while short jobs follow each other this is done for each: nothing is hashed anew
    for key in waiting.keys() & observed.keys():
        del waiting[key]
    passed, stopped = dict(desired.passed), dict(desired.stopped)
    actions: list[Action] = []
    for terms in desired.terms:
        if terms.key in waiting:
            name, order = waiting[terms.key]
            waiting[terms.key] = Waiting(name, changed(order, time_limit_s=terms.time_limit_s))
        elif terms.key in observed and not _over(terms.key, observed):
            actions.append(Adjust(terms))
    for stop in desired.stop:
        one = waiting.pop(stop.key, None)
        if one is not None:
            passed[one.name] = one.order.follows
            actions.append(Revoke(stop.key))
        elif not _over(stop.key, observed) and stopped.get(stop.key) != stop:
            stopped[stop.key] = stop
            actions.append(Stop(stop))
    for key in desired.revoke:
        one = waiting.pop(key, None)
        if one is not None:
            passed[one.name] = one.order.follows
            actions.append(Revoke(key))
    for key in desired.forget:
        one = waiting.pop(key, None)
        if one is not None:
            passed[one.name] = one.order.follows
    starts, alive = _starts(waiting, passed, observed)
    for order in starts:
        del waiting[order.key]
        stale = bool(order.assigned_boot_id) and order.assigned_boot_id != boot_id
        actions.append(Lose(order) if stale else Start(order))
    actions.extend(Forget(key) for key in desired.forget if _over(key, observed))  # files are put away after the starts
    actions.extend(map(Attach, desired.attach))
    return tuple(actions), Desired(
        waiting,
        passed={name: before for name, before in passed.items() if _first_not_passed(before, passed) in alive},
        stopped={key: stop for key, stop in stopped.items() if key in observed and not _over(key, observed)},
    )


def _starts(
    waiting: Mapping[AttemptKey, Waiting], passed: Mapping[str, str], observed: Mapping[AttemptKey, Observed]
) -> tuple[list[Order], set[str]]:
    """Those of the waiting orders that are to start now, and the names of all that is not over."""
    alive = {one.name for one in waiting.values()}
    alive.update(str(key) for key, seen in observed.items() if seen.stage not in OVER)
    starts = []
    for _, order in waiting.values():
        before = _first_not_passed(order.follows, passed) if passed else order.follows
        if not before or before not in alive:
            starts.append(order)
    return starts, alive


def _first_not_passed(name: str, passed: Mapping[str, str]) -> str:
    while name in passed:
        name = passed[name]
    return name


def _over(key: AttemptKey, observed: Mapping[AttemptKey, Observed]) -> bool:
    seen = observed.get(key)
    return seen is not None and seen.stage in OVER
