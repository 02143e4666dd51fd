"""What an agent does next: pure, from what the yard wants and what is here.

Absence stops nothing: only orders that were given lead to actions. An order whose attempt is here already starts
nothing. An order that follows another attempt waits until that is over; where that one is revoked before it ever
started, the order follows the one before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Union

from runyard.model.attempt import AttemptKey
from runyard.model.beat import Observed, Order, StopOrder

OVER = ("ended", "revoked")
"""Stages after which nothing of an attempt is left running."""


@dataclass(frozen=True)
class Start:
    """Hand the order to its engine."""

    order: Order


@dataclass(frozen=True)
class Stop:
    """End what runs."""

    order: StopOrder


@dataclass(frozen=True)
class Revoke:
    """Take the claim, so that it never starts."""

    key: AttemptKey
    why: str = ""


@dataclass(frozen=True)
class Lose:
    """It was assigned before this boot: it may have started, and nobody knows how it ended."""

    order: Order


@dataclass(frozen=True)
class Forget:
    """Its result is committed."""

    key: AttemptKey


Action = Union[Start, Stop, Revoke, Lose, Forget]


@dataclass(frozen=True)
class Desired:
    """Orders that have come and are not carried out yet. `start` keeps their order."""

    start: dict[AttemptKey, Order] = field(default_factory=dict)
    stop: tuple[StopOrder, ...] = ()
    forget: tuple[AttemptKey, ...] = ()


def wanted(
    desired: Desired, start: Iterable[Order], stop: Iterable[StopOrder], forget: Iterable[AttemptKey]
) -> Desired:
    """The desires after another answer."""
    return Desired(
        {**desired.start, **{order.key: order for order in start if order.key not in desired.start}},
        desired.stop + tuple(stop),
        desired.forget + tuple(forget),
    )


def reconcile(
    desired: Desired, observed: Mapping[AttemptKey, Observed], boot_id: str
) -> tuple[tuple[Action, ...], Desired]:
    """The actions to take now, and what stays to be done. Every stop and forget is settled; starts may have to wait."""
    waiting = {key: order for key, order in desired.start.items() if key not in observed}
    actions: list[Action] = []
    for stop in desired.stop:
        if stop.key in waiting:
            waiting = _without(waiting, stop.key)
            actions.append(Revoke(stop.key))
        elif stop.key not in observed or observed[stop.key].stage not in OVER:
            actions.append(Stop(stop))
    for key in desired.forget:
        waiting.pop(key, None)
        if key in observed and observed[key].stage in OVER:
            actions.append(Forget(key))
    busy = {str(key) for key, seen in observed.items() if seen.stage not in OVER}
    for key, order in list(waiting.items()):
        if order.follows and (order.follows in busy or order.follows in {str(k) for k in waiting}):
            continue
        del waiting[key]
        busy.add(str(key))
        stale = bool(order.assigned_boot_id) and order.assigned_boot_id != boot_id
        actions.append(Lose(order) if stale else Start(order))
    return tuple(actions), Desired(waiting)


def _without(waiting: dict[AttemptKey, Order], gone: AttemptKey) -> dict[AttemptKey, Order]:
    """The orders without this one; who followed it now follows what it followed."""
    followed = waiting[gone].follows
    return {
        key: replace(order, follows=followed) if order.follows == str(gone) else order
        for key, order in waiting.items()
        if key != gone
    }
