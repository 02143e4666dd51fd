"""The part of the memory store that keeps documents and leases."""

from __future__ import annotations

import json
from typing import Any, Protocol


class Papers(Protocol):
    """What it needs of the store's state."""

    documents: dict[tuple[str, str], str]
    leases: dict[str, tuple[str, int]]


class MemoryDocuments:
    """Documents by kind and key; leases by name."""

    @property
    def _seen(self) -> Papers:
        raise NotImplementedError

    @property
    def _changing(self) -> Papers:
        raise NotImplementedError

    def document(self, kind: str, key: str) -> Any | None:
        return json.loads(self._seen.documents.get((kind, key), "null"))

    def save_document(self, kind: str, key: str, value: Any) -> None:
        self._changing.documents[kind, key] = json.dumps(value)

    def documents(self, kind: str, after: str = "", most: int = 0) -> dict[str, Any]:
        kept = self._seen.documents
        keys = sorted(key for of, key in kept if of == kind and (key > after or not after))
        return {key: json.loads(kept[kind, key]) for key in keys[: most or None]}

    def remove_document(self, kind: str, key: str) -> None:
        self._changing.documents.pop((kind, key), None)

    def lease(self, name: str, holder: str, token: int) -> bool:
        leases = self._changing.leases
        present, highest = leases.get(name, (holder, token))
        if present != holder and token <= highest:
            return False
        leases[name] = (holder, max(token, highest))
        return True
