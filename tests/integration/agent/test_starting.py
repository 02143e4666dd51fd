"""What an order needs before its engine gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.agent.blobs import BlobCache
from runyard.agent.ports import Ports
from runyard.agent.starting import NotNow, Starter
from runyard.model.attempt import AttemptKey
from runyard.model.beat import Order
from runyard.settings import Home


def test_ports_are_looked_for_when_all_else_is_ready(tmp_path: Path) -> None:
    free = {100, 101}
    home = Home(str(tmp_path))
    ports = Ports(100, 101, free=lambda port: port in free)
    starter = Starter(home, BlobCache(home.blob_cache, lambda name: b""), ports, lambda key: "metrics.jsonl")
    first, second = (starter.prepare(Order(AttemptKey(job, 1, "t"), ("true",), "/", ports=1)) for job in (1, 2))
    free.remove(100)  # somebody took it while the code was laid out
    began = starter.with_ports(first).order
    assert began.granted == (101,) and dict(began.variables)["MASTER_PORT"] == "101"
    with pytest.raises(NotNow, match="no 1 free port to give"):
        starter.with_ports(second)
