"""The devices of this host between an order and its start: they are looked at once more, then the attempt holds them.

Asked by the agent's loop. A look that counts for an order has begun after the order came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from runyard.agent.look import Looker, any_withheld, busy_device
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order, Terms
from runyard.model.host import Host
from runyard.model.record import changed


class Devices:
    """Which attempts hold what. `foreign_mb`: with so much memory in use by others a device is withheld."""

    def __init__(self, looker: Looker, foreign_mb: int) -> None:
        self._looker = looker
        self._foreign_mb = foreign_mb
        self._looking: dict[AttemptKey, tuple[int, Order]] = {}
        self._holding: dict[AttemptKey, tuple[str, ...]] = {}
        self.withheld = False
        """Whether one is withheld, so that somebody may wait for it to come free."""

    @property
    def keys(self) -> Collection[AttemptKey]:
        """The orders whose devices are being looked at."""
        return self._looking

    def ask(self, order: Order) -> None:
        """Have its devices looked at."""
        self._looking[order.key] = (self._looker.ask(), order)

    def looked(self, host: Host) -> Iterator[tuple[Order, str]]:
        """The orders that this look was for, with the reason why their devices cannot be used after all ("" if they
        can, and then they hold them)."""
        self.withheld = any_withheld(host, self._foreign_mb, self._held)
        ready = [order for number, order in self._looking.values() if number <= self._looker.number]
        for order in ready:
            del self._looking[order.key]
            why = busy_device(order, host, self._foreign_mb, self._held)
            if not why:
                self._holding[order.key] = order.devices
            yield order, why

    def drop(self, key: AttemptKey) -> bool:
        """This order is not wanted any more; whether it was."""
        return self._looking.pop(key, None) is not None

    def adjust(self, terms: Terms) -> bool:
        """It is to start under these terms; whether its devices are being looked at."""
        number, order = self._looking.get(terms.key, (0, None))
        if order is not None:
            self._looking[terms.key] = number, changed(order, time_limit_s=terms.time_limit_s)
        return order is not None

    def release(self, key: AttemptKey) -> None:
        """This attempt has ended."""
        self._holding.pop(key, None)

    @property
    def _held(self) -> frozenset[str]:
        return frozenset(uuid for devices in self._holding.values() for uuid in devices)
