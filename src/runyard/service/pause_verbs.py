"""The verbs that have running jobs stand still and go on."""

from __future__ import annotations

from runyard.api import ChangeResult
from runyard.model.events import Paused, Resumed
from runyard.service.verbs import Verbs


class PauseVerbs(Verbs):
    """Their agents are told after the commit, and again when they or the server start anew."""

    def pause(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._change(
            ids, lambda turn: Paused(turn.now, self._caller.user), lambda turn, job: turn.tell_terms(job)
        )

    def resume(self, ids: tuple[int, ...]) -> ChangeResult:
        return self._change(
            ids, lambda turn: Resumed(turn.now, self._caller.user), lambda turn, job: turn.tell_terms(job)
        )
