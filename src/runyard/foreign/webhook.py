"""A POST of JSON to a URL that the yard's owner has configured; nobody else chooses where it goes.

No redirect is followed and no proxy asked, so what is called is what was configured. TLS is checked as the system does.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from typing import Union
from urllib.parse import urlsplit

from runyard.model.notice import Undelivered

ANSWER_MAX = 1_000
AGAIN = frozenset((408, 425, 429))
"""Refusals that may pass; all other 4xx stay as they are."""


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> None:
    """Send it; Undelivered unless the answer is 2xx. `timeout_s` counts for each step of the network."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with closing(_connection(parts.scheme, parts.netloc, timeout_s)) as connection:
            connection.request("POST", target, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            said = answer.read(ANSWER_MAX).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(
            f"{parts.netloc}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
        ) from None
    if not 200 <= answer.status < 300:
        line = " ".join(said.split())[:200]
        for_good = 300 <= answer.status < 500 and answer.status not in AGAIN
        raise Undelivered(
            f"{parts.netloc} answered {answer.status} {answer.reason}" + (f": {line}" if line else ""), for_good
        )


def _connection(
    scheme: str, netloc: str, timeout_s: float
) -> Union[http.client.HTTPConnection, http.client.HTTPSConnection]:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(netloc, timeout=timeout_s)
