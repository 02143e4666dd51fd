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

    def documents(self, kind: str) -> dict[str, Any]:
        kept = self._seen.documents
        return {key: json.loads(kept[of, key]) for of, key in sorted(kept) if of == kind}

    def remove_document(self, kind: str, key: str) -> None:
        self._changing.documents.pop((kind, key), None)

    def lease(self, name: str, holder: str, token: int) -> bool:
        leases = self._changing.leases
        present, highest = leases.get(name, (holder, token))
        if present != holder and token <= highest:
            return False
        leases[name] = (holder, max(token, highest))
        return True
