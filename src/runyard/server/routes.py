"""The route table: what each call takes, gives and does. `app` makes the endpoints and the OpenAPI document of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from runyard.api import (
    ChangeResult,
    Chunk,
    Explanation,
    GrepQuery,
    JobDetail,
    JobRow,
    QueueRow,
    Receipt,
    ServerStatus,
    Service,
    StopCall,
    Submission,
)
from runyard.errors import InvalidSpec
from runyard.model import codec
from runyard.model.attaching import AttachCall, Ticket
from runyard.model.beat import Answer, Hello, Order, Welcome
from runyard.model.comparing import Comparison
from runyard.model.editing import Draft, MoveCall, RetryCall
from runyard.model.filter import JobQuery
from runyard.model.group import Group, GroupQuery, GroupRow, SweepChange
from runyard.model.host import Host
from runyard.model.landing import Place
from runyard.model.metrics import Measured
from runyard.model.notice import HookRow
from runyard.model.queue import Queue
from runyard.model.spec import JobSpec
from runyard.model.template import NumbersCall, Template
from runyard.model.transfer import Cargo, Unloaded
from runyard.model.usage import UsageQuery, UsageRow

BODY_MAX = 256 * 1024 * 1024
"""Bytes; a submission of a million small jobs fits."""

CHUNK_MAX = 1024 * 1024

QUICK, LISTS, SUBMITS, SLOW = "quick", "lists", "submits", "slow"
LANES = {QUICK: 8, LISTS: 4, SUBMITS: 4, SLOW: 4}
"""Threads for each kind of call, so that a beat or a stop never waits behind what may take long: lists of everything,
submits that freeze code, and what looks through files, repositories or whole stories."""

_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True)
class Call:
    """A request, taken apart: parts of the path and the query by name, and the decoded body."""

    path: dict[str, str]
    query: dict[str, list[str]]
    body: Any = None

    @property
    def job_id(self) -> int:
        return number(self.path["job_id"], "job")

    def one(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[-1] if values else default

    def number(self, name: str, default: int = 0) -> int:
        return number(self.one(name, str(default)), name)


@dataclass(frozen=True)
class Route:
    """One verb on the wire. `query` maps the names of parameters to their JSON types."""

    method: str
    path: str
    summary: str
    does: Callable[[Service, Call], Any]
    gives: Any
    takes: Any = None
    query: dict[str, str] = field(default_factory=dict)
    lane: str = QUICK


def number(text: str, name: str) -> int:
    """A whole number out of a path or query."""
    if not _NUMBER.fullmatch(text):
        raise InvalidSpec(f"{text[:40]!r} is not a whole number", name)
    return int(text)


def _jobs(service: Service, call: Call) -> Any:
    known: dict[str, Any] = {name: call.one(name) for name in ("order", "where") if name in call.query}
    known |= {name: call.number(name) for name in ("limit", "after_id") if name in call.query}
    known |= {name: call.one(name) == "true" for name in ("mine", "recent", "cells") if name in call.query}
    known |= {"sort": tuple(call.query["sort"])} if "sort" in call.query else {}
    unknown = set(call.query) - JOBS.keys()
    if unknown:
        raise InvalidSpec("no such parameter", sorted(unknown)[0])
    return service.jobs(JobQuery(tuple(call.query.get("selectors", ())), **known))


def _save_queue(service: Service, call: Call) -> Queue:
    if call.body.name != call.path["name"]:
        raise InvalidSpec("the path names another queue", "name")
    return service.save_queue(call.body)


def _save_template(service: Service, call: Call) -> Template:
    if call.body.name != call.path["name"]:
        raise InvalidSpec("the path names another template", "name")
    return service.save_template(call.body)


def _groups(service: Service, call: Call) -> Any:
    known: dict[str, Any] = {name: call.one(name) for name in ("kind", "name", "key") if name in call.query}
    known |= {name: call.one(name) == "true" for name in ("mine", "recent", "members") if name in call.query}
    return service.groups(GroupQuery(id=call.number("id"), **known))


def _output(service: Service, call: Call) -> Chunk:
    length = min(CHUNK_MAX, max(0, call.number("length", CHUNK_MAX)))
    return service.output(call.job_id, call.number("attempt"), call.number("offset"), length)


def _grep(service: Service, call: Call) -> Any:
    flags = {name: call.one(name) == "true" for name in ("ignore_case", "invert", "number", "count", "extended")}
    query = GrepQuery(call.one("pattern"), after=call.number("after"), before=call.number("before"), **flags)
    return service.grep(call.job_id, call.number("attempt"), query)


INT, TEXT, BOOL = "integer", "string", "boolean"
GROUPS = {"kind": TEXT, "name": TEXT, "id": INT, "mine": BOOL, "recent": BOOL, "key": TEXT, "members": BOOL}
JOBS = {
    "selectors": TEXT, "mine": BOOL, "recent": BOOL, "order": TEXT, "limit": INT, "after_id": INT, "where": TEXT,
    "sort": TEXT, "cells": BOOL,
}  # fmt: skip
GREP = {
    "attempt": INT, "pattern": TEXT, "ignore_case": BOOL, "invert": BOOL, "number": BOOL, "count": BOOL,
    "extended": BOOL, "after": INT, "before": INT,
}  # fmt: skip

ROUTES = (
    Route("POST", "/jobs", "Accept jobs; the ids in the answer are on disk",
          lambda service, call: service.submit(call.body), Receipt, takes=Submission, lane=SUBMITS),
    Route("GET", "/jobs", "List jobs by selectors", _jobs, tuple[JobRow, ...], query=JOBS, lane=LISTS),
    Route("POST", "/jobs/list", "List jobs by selectors, also by more of them than an address can hold",
          lambda service, call: service.jobs(call.body), tuple[JobRow, ...], takes=JobQuery, lane=LISTS),
    Route("GET", "/jobs/{job_id}", "All about one job",
          lambda service, call: service.job(call.job_id), JobDetail, lane=SLOW),
    Route("GET", "/jobs/{job_id}/why", "Why it waits and when it may start",
          lambda service, call: service.explain(call.job_id), Explanation),
    Route("POST", "/jobs/stop", "End jobs: signal, grace, kill",
          lambda service, call: service.stop(call.body), ChangeResult, takes=StopCall),
    Route("POST", "/jobs/hold", "Keep waiting jobs back",
          lambda service, call: service.hold(call.body), ChangeResult, takes=tuple[int, ...]),
    Route("POST", "/jobs/release", "Let held jobs go",
          lambda service, call: service.release(call.body), ChangeResult, takes=tuple[int, ...]),
    Route("POST", "/jobs/pause", "Have running jobs stand still",
          lambda service, call: service.pause(call.body), ChangeResult, takes=tuple[int, ...]),
    Route("POST", "/jobs/resume", "Let paused jobs go on",
          lambda service, call: service.resume(call.body), ChangeResult, takes=tuple[int, ...]),
    Route("POST", "/jobs/drafts", "What jobs are, to be changed",
          lambda service, call: service.drafts(call.body), tuple[Draft, ...], takes=tuple[int, ...]),
    Route("POST", "/jobs/edit", "Change jobs",
          lambda service, call: service.edit(call.body), ChangeResult, takes=tuple[Draft, ...]),
    Route("POST", "/jobs/move", "Give waiting jobs another place in line",
          lambda service, call: service.move(call.body), ChangeResult, takes=MoveCall),
    Route("POST", "/jobs/retry", "Another attempt of jobs that have ended",
          lambda service, call: service.retry(call.body), ChangeResult, takes=RetryCall,
          lane=SUBMITS),
    Route("POST", "/jobs/remove", "Remove jobs with their events and output",
          lambda service, call: service.remove(call.body), ChangeResult, takes=tuple[int, ...]),
    Route("PUT", "/draining", "Start nothing new (true), or go on (false)",
          lambda service, call: service.drain(call.body), bool, takes=bool),
    Route("GET", "/jobs/{job_id}/diff", "How another job's code, environment and packages differ",
          lambda service, call: service.compare(call.job_id, call.number("to")), Comparison, query={"to": INT},
          lane=SLOW),
    Route("POST", "/jobs/alike", "Jobs with the same code, command and parameters as this one would have",
          lambda service, call: service.alike(call.body), tuple[int, ...], takes=JobSpec),
    Route("GET", "/jobs/{job_id}/output", "A range of an attempt's output", _output, Chunk,
          query={"attempt": INT, "offset": INT, "length": INT}),
    Route("GET", "/jobs/{job_id}/tail", "The last lines of an attempt's output",
          lambda service, call: service.tail(call.job_id, call.number("attempt"), call.number("lines", 10)), Chunk,
          query={"attempt": INT, "lines": INT}),
    Route("GET", "/jobs/{job_id}/head", "The first lines of an attempt's output",
          lambda service, call: service.head(call.job_id, call.number("attempt"), call.number("lines", 10)), Chunk,
          query={"attempt": INT, "lines": INT}),
    Route("GET", "/jobs/{job_id}/grep", "Search an attempt's output; what grep prints", _grep, bytes, query=GREP,
          lane=SLOW),
    Route("POST", "/jobs/attach", "A ticket for the stream to a job's terminal",
          lambda service, call: service.attach(call.body), Ticket, takes=AttachCall),
    Route("GET", "/jobs/{job_id}/metrics", "What its attempts have reported, with histories",
          lambda service, call: service.metrics(call.job_id), tuple[Measured, ...]),
    Route("GET", "/usage", "Jobs and GPU hours by user and queue",
          lambda service, call: service.usage(UsageQuery(call.one("since"))), tuple[UsageRow, ...],
          query={"since": TEXT}, lane=LISTS),
    Route("GET", "/queues", "All queues", lambda service, call: service.queues(), tuple[QueueRow, ...]),
    Route("PUT", "/queues/{name}", "Make or change a queue", _save_queue, Queue, takes=Queue),
    Route("DELETE", "/queues/{name}", "Remove an empty queue",
          lambda service, call: service.remove_queue(call.path["name"]), type(None)),
    Route("GET", "/templates", "All templates", lambda service, call: service.templates(), tuple[Template, ...]),
    Route("PUT", "/templates/{name}", "Make or change a template", _save_template, Template, takes=Template),
    Route("DELETE", "/templates/{name}", "Remove a template",
          lambda service, call: service.remove_template(call.path["name"]), type(None)),
    Route("POST", "/templates/numbers", "Numbers for runs of a template; the first of them",
          lambda service, call: service.numbers(call.body), int, takes=NumbersCall),
    Route("GET", "/groups", "Groups and where their jobs stand", _groups, tuple[GroupRow, ...], query=GROUPS),
    Route("POST", "/sweeps", "Change the limit or the rules of a sweep",
          lambda service, call: service.change_sweep(call.body), Group, takes=SweepChange),
    Route("GET", "/hosts", "Hosts and their devices", lambda service, call: service.hosts(), tuple[Host, ...]),
    Route("GET", "/status", "The server, its agents and what runs",
          lambda service, call: service.status(), ServerStatus),
    Route("GET", "/places", "What is at these paths of the server's machine",
          lambda service, call: service.places(tuple(call.query.get("path", ()))), tuple[Place, ...],
          query={"path": TEXT}, lane=SLOW),
    Route("POST", "/exports", "Jobs as their events, for an export",
          lambda service, call: service.pack(call.body), Cargo, takes=tuple[int, ...], lane=SLOW),
    Route("POST", "/imports", "Take jobs of another yard in, once; again after a failure, it goes on",
          lambda service, call: service.unload(call.body), Unloaded, takes=Cargo, lane=SLOW),
    Route("GET", "/hooks", "Hooks, and how their last notices went",
          lambda service, call: service.hooks(), tuple[HookRow, ...]),
    Route("POST", "/hooks/{name}/test", "Tell a hook that this is a test",
          lambda service, call: service.test_hook(call.path["name"]), type(None)),
    Route("POST", "/blobs", "Keep an environment or a script; its hash",
          lambda service, call: service.put_blob(call.body), str, takes=bytes),
    Route("GET", "/blobs/{name}", "A blob by its hash",
          lambda service, call: service.blob(call.path["name"]), bytes),
    Route("POST", "/clean", "Collect the output of old jobs now",
          lambda service, call: service.clean(call.one("dry") == "true"), tuple[int, ...], takes=tuple[int, ...],
          query={"dry": BOOL}, lane=SLOW),
    Route("POST", "/agents/hello", "An agent has started",
          lambda service, call: service.hello(call.body), Welcome, takes=Hello),
)  # fmt: skip
"""Every route that does not wait. Those that do are in `waiting`."""


def encode(value: Any) -> bytes:
    """An answer's body."""
    return codec.dumps(value).encode("ascii")


def encode_answer(answer: Answer) -> bytes:
    """The body of a beat's answer. An order goes out again until it is acknowledged, but is encoded once."""
    rest = codec.dumps(replace(answer, start=()))
    if not answer.start:
        return rest.encode("ascii")
    orders = ",".join(map(_order, answer.start))
    return f'{rest[:-1]},"start":[{orders}]}}'.encode("ascii")


@lru_cache(maxsize=4_096)
def _order(order: Order) -> str:
    return codec.dumps(order)
