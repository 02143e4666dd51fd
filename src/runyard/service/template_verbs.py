"""The verbs on templates, and the numbers of their runs. Both are documents of the store."""

from __future__ import annotations

from dataclasses import replace

from runyard.errors import Conflict, InvalidSpec, NotFound
from runyard.model import codec
from runyard.model.template import TEMPLATE_BYTES, NumbersCall, Template
from runyard.service.turn import Turn
from runyard.service.verbs import Verbs

TEMPLATE = "template"
NUMBERS = "template-numbers"
"""Kinds of documents: templates by name, and the last number that was given for each; it outlives the template."""


class TemplateVerbs(Verbs):
    """Templates."""

    def templates(self) -> tuple[Template, ...]:
        found = self._store.documents(TEMPLATE)
        return tuple(codec.decode(Template, value) for _, value in sorted(found.items()))

    def save_template(self, template: Template) -> Template:
        if not template.name:
            raise InvalidSpec("a template has a name", "template")
        size = len(codec.dumps(template))
        if size > TEMPLATE_BYTES:
            raise InvalidSpec(f"{size} bytes, at most {TEMPLATE_BYTES} are kept", "template")

        def work(turn: Turn) -> Template:
            held = turn.store.document(TEMPLATE, template.name)
            version = codec.decode(Template, held).version if held is not None else 0
            if template.version != version:
                there = "has changed meanwhile" if version else "was removed meanwhile"
                raise Conflict(
                    f"there is a template {template.name!r} already; `ry template edit` changes it"
                    if version and not template.version
                    else f"template {template.name!r} {there}; look at it and try again"
                )
            saved = replace(template, version=version + 1, user=self._caller.user, saved_at=turn.now)
            turn.store.save_document(TEMPLATE, saved.name, codec.encode(saved))
            return saved

        return self._controller.call(work)

    def remove_template(self, name: str) -> None:
        def work(turn: Turn) -> None:
            if turn.store.document(TEMPLATE, name) is None:
                raise NotFound(f"there is no template {name!r}")
            turn.store.remove_document(TEMPLATE, name)

        self._controller.call(work)

    def numbers(self, call: NumbersCall) -> int:
        def work(turn: Turn) -> int:
            last = turn.store.document(NUMBERS, call.template) or 0
            first = max(last + 1, call.least)
            turn.store.save_document(NUMBERS, call.template, first + call.count - 1)
            return int(first)

        return self._controller.call(work)
