"""The verbs of agents: hello and beat. What they do to jobs is in `beats`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from runyard.errors import NotAllowed
from runyard.model.beat import Answer, Hello, Report, Welcome
from runyard.service import beats
from runyard.service.controller import CONNECTED_S
from runyard.service.turn import Turn
from runyard.service.verbs import Verbs


class AgentVerbs(Verbs):
    """What an agent calls."""

    def hello(self, hello: Hello) -> Welcome:
        if hello.uid != self._caller.uid:
            raise NotAllowed(
                f"the agent says that it is uid {hello.uid}, but its connection belongs to uid {self._caller.uid}"
            )
        honest = replace(hello, user=self._caller.user)
        return self._controller.call(lambda turn: beats.hello(self._controller, turn, honest))

    def beat(self, report: Report) -> Answer:
        controller = self._controller
        dispatch, now = controller.dispatch, self._yard.now()
        before = dispatch.ready(now - CONNECTED_S)
        newest = dispatch.hear(report, now)
        back = report.agent in dispatch.ready(now - CONNECTED_S) - before

        def work(turn: Turn) -> None:
            jobs = beats.report(controller, turn, report, newest)
            turn.after.extend(partial(self._yard.code.started, job) for job in jobs if job.spec.code is not None)
            turn.dirty = turn.dirty or back

        if report.observed or report.readings or report.all is not None or report.host is not None or back:
            controller.call(work)
        return dispatch.answer(report, controller.yard, controller.feed)
