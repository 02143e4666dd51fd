"""The verbs on hooks: who is told what happens, and how that went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runyard.errors import InvalidSpec, NotFound
from runyard.model import codec
from runyard.model.hook import Hook, check_wish
from runyard.model.job import Job
from runyard.model.notice import NOTIFIED, HookRow, Told
from runyard.model.spec import JobSpec
from runyard.service.notices import test_notice
from runyard.service.postman import waiting
from runyard.service.verbs import Verbs
from runyard.store.base import Store

FAILS_TOLD = 3
"""How many failing hooks the server's status names."""


class HookVerbs(Verbs):
    """Hooks of the yard's config.toml."""

    def hooks(self) -> tuple[HookRow, ...]:
        store = self._store
        return tuple(
            HookRow(hook.name, hook.kind, hook.on, sum(1 for _ in waiting(store, hook.name)), told_by(store, hook.name))
            for hook in self._controller.hooks.values()
        )

    def test_hook(self, name: str) -> None:
        if name not in self._controller.hooks:
            raise NotFound(f"there is no hook {name!r} (config.toml: [hooks.{name}])")
        self._controller.call(lambda turn: test_notice(turn, name, self._caller.user))


def told_by(store: Store, hook: str) -> tuple[Told, ...]:
    """The last deliveries of this hook, the newest last."""
    return tuple(codec.decode(Told, one) for one in store.document(NOTIFIED, hook) or ())


def told_of(store: Store, hooks: Iterable[str], job: Job) -> tuple[Told, ...]:
    """What is remembered of the notices of this job, or of its group."""
    if not job.spec.notify:
        return ()
    return tuple(
        told
        for hook in hooks
        for told in told_by(store, hook)
        if told.job_id == job.id or (told.job_id is None and told.group is not None and told.group == job.group)
    )


def failing(store: Store, hooks: Iterable[str]) -> tuple[str, ...]:
    """The hooks whose last delivery has failed, as problems of the yard."""
    last = [told[-1] for told in (told_by(store, hook) for hook in hooks) if told]
    bad = [told for told in last if told.problem]
    return tuple(f"hook {told.hook} fails: {told.problem}" for told in bad[:FAILS_TOLD])


def check_wishes(specs: Iterable[JobSpec], hooks: Mapping[str, Hook]) -> None:
    """InvalidSpec names a hook that this yard does not have."""
    for wish in {wish for spec in specs if spec.notify for wish in spec.notify}:
        if problem := check_wish(wish, hooks):
            raise InvalidSpec(problem, "notify")
