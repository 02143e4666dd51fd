"""Only what the hooks of the yard allow is told, however a job came to its wishes."""

from __future__ import annotations

from runyard.model.events import Change, StopRequested
from runyard.model.hook import Hook
from runyard.model.job import StopRequest
from runyard.model.spec import JobSpec
from runyard.service.controller import Controller, Surroundings
from runyard.service.postman import waiting
from runyard.service.turn import Turn
from runyard.store.base import NewJobs
from runyard.store.memory import MemoryStore

HOOKS = {"post": Hook("post", mail=("yard@example.org",), to_domains=("example.org",))}
WISHES = ("post:ada@example.org", "post:eve@elsewhere.org", "gone")


def test_a_wish_that_was_imported_or_is_allowed_no_more() -> None:
    store = MemoryStore("yard")
    turn = Turn(Controller(store, Surroundings(lambda: 100.0, lambda: "token", hooks=HOOKS)), 100.0)
    with store.transaction():
        (job,) = store.add(NewJobs([JobSpec(("true",), workdir="/", notify=WISHES, user="ada")], "", "ada", 1.0)).ids
        turn.commit([Change(job, StopRequested(2.0, StopRequest(2.0, "ada")))])
    assert [notice.to for notice in waiting(store, "post")] == ["ada@example.org"]
