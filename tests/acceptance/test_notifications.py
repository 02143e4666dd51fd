"""Who is told what happens: a command, a real HTTP server, and a program that takes mail as sendmail does."""

from __future__ import annotations

import email
import email.policy
import json
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import tidy
from tests.acceptance.test_json import check
from tests.acceptance.typist import Typist
from tests.harness.processes import PATIENCE_S
from tests.harness.yard import Bell, Yard

Seen = dict[str, Any]

PRINTER = """\
#!/bin/sh
# Appends what it is told to a file, one line of JSON each, and rings.
cat >> "$1"; echo >> "$1"; env | grep ^RUNYARD_ | sort >> "$1.env"; echo rung > "$2"
"""

SENDMAIL = """\
#!/bin/sh
{ printf '%s\\n' "$@"; echo ----; cat; } > "$(dirname "$0")/mail.$$"
mv "$(dirname "$0")/mail.$$" "$(dirname "$0")/mail"; echo sent > "$(dirname "$0")/bell"
"""


class Receiver:
    """A web server that remembers what is posted. `answers` are the next statuses; `then` is called before one."""

    def __init__(self) -> None:
        receiver = self
        self.posts: queue.Queue[Seen] = queue.Queue()
        self.answers: list[int] = []
        self.then: Callable[[], None] | None = None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if receiver.then is not None:
                    then, receiver.then = receiver.then, None
                    then()
                receiver.posts.put({**body, "path": self.path, "headers": dict(self.headers)})
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> Seen:
        """The next that is posted."""
        return self.posts.get(timeout=PATIENCE_S)

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.end()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the hooks leave what they are told."""
    made = tmp_path_factory.mktemp("told")
    for name, text in (("print", PRINTER), ("sendmail", SENDMAIL)):
        (made / name).write_text(text)
        (made / name).chmod(0o755)
    return made


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver, place: Path) -> Iterator[Yard]:
    """A yard with hooks."""
    yard = Yard(tmp_path_factory.mktemp("yard"))
    Path(yard.home.root).mkdir()
    hooks: dict[str, dict[str, Any]] = {
        "web": {"url": receiver.url, "headers": {"X-Key": "k"}, "on": ["failed", "started"]},
        "desk": {"command": [str(place / "print"), str(place / "seen"), str(place / "bell")]},
        "stuck": {"command": ["sleep", "600"], "limit_s": 0.2},
        "broken": {"command": ["sh", "-c", "echo why >&2; exit 3"]},
        "mail": {"mail": "ada@example.org", "from": "yard@example.org", "to_domains": ["example.org"],
                 "sendmail": [str(place / "sendmail"), "-i"]},
    }  # fmt: skip
    lines = []
    for name, hook in hooks.items():
        headers = hook.pop("headers", None)
        lines += [f"[hooks.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in hook.items())]
        lines += [f'headers = {{"X-Key" = "{headers["X-Key"]}"}}'] if headers else []
    Path(yard.home.config).write_text("\n".join(lines) + "\n")
    yield yard
    yard.end()


@pytest.fixture
def ry(told: Yard, tmp_path: Path) -> Iterator[Typist]:
    typist = Typist(told, tmp_path)
    typist.ok("server", "start")
    yield typist
    tidy(told)


@pytest.fixture
def bell(place: Path) -> Iterator[Bell]:
    made = Bell(place / "bell")
    yield made
    made.close()
    (place / "bell").unlink()


def test_a_url_is_told_what_it_wants_to_know(ry: Typist, receiver: Receiver) -> None:
    job = ry.submit("-c0", "-J", "bad", "--notify", "web", "sleep 0.05; exit 3")
    started, failed = receiver.next(), receiver.next()
    assert (started["event"], failed["event"]) == ("started", "failed")
    assert failed["job"]["id"] == job and failed["job"]["exit_code"] == 3 and failed["job"]["name"] == "bad"
    assert failed["text"] == f"job {job} (bad) failed with exit code 3"
    assert failed["path"] == "/hook?x=1" and failed["headers"]["X-Key"] == "k"
    assert failed["headers"]["X-Runyard-Event"] == failed["id"] != started["id"]
    ry.ok("run", "-c0", "--notify", "web:succeeded", "--", "true")
    assert receiver.next()["event"] == "succeeded"
    assert receiver.posts.empty()


def test_what_is_not_taken_comes_again_under_the_same_id(ry: Typist, receiver: Receiver) -> None:
    receiver.answers = [500, 200]
    ry.submit("-c0", "--notify", "web:failed", "exit 1")
    first, second = receiver.next(), receiver.next()
    assert first["id"] == second["id"]


def test_what_is_refused_for_good_is_told(ry: Typist, receiver: Receiver) -> None:
    receiver.answers = [404]
    job = ry.submit("-c0", "--notify", "web:failed", "exit 1")
    receiver.next()
    ry.yard.until("the problem", lambda: "answered 404" in str(ry.yard.status().problems))
    assert "web: failed not told: 127.0.0.1" in ry.ok("show", str(job))
    (row,) = [row for row in ry.json("hooks") if row["name"] == "web"]
    assert row["waiting"] == 0 and "404" in row["last"][-1]["problem"]
    ry.ok("hooks", "--test", "web")
    assert receiver.next()["event"] == "test" and ry.yard.status().problems == ()


def test_a_server_that_dies_before_it_has_noted_it_tells_it_again(ry: Typist, receiver: Receiver) -> None:
    receiver.then = ry.yard.kill_server
    ry.submit("-c0", "--notify", "web:failed", "exit 1")
    first = receiver.next()
    ry.ok("server", "start")
    assert receiver.next()["id"] == first["id"]
    ry.yard.until("nothing to tell", lambda: all(row.waiting == 0 for row in ry.yard.service.hooks()))


def test_a_group_is_told_once(ry: Typist, receiver: Receiver) -> None:
    ids = ry.submit_many("-c0", "-J", "sweep", "-a", "1-5", "--notify", "web", "test $RUNYARD_ARRAY_INDEX != 3")
    ry("wait", *map(str, ids))
    seen = receiver.next()
    assert seen["group"]["outcomes"] == {"succeeded": 4, "failed": 1} and seen["event"] == "failed"
    assert "(sweep) has ended: 4 succeeded, 1 failed" in seen["text"]
    assert "web: failed told" in ry.ok("show", str(ids[0]))
    ids = ry.submit_many("-c0", "-a", "1-2", "--notify", "web:ended,each", "--", "true")
    assert {receiver.next()["job"]["array_index"] for _ in ids} == {1, 2}
    assert receiver.posts.empty()


def test_a_command_reads_it(ry: Typist, place: Path, bell: Bell) -> None:
    odd = 'a "b" $(touch no) ☃'
    job = ry.submit("-c0", "-J", odd, "--notify", "desk", "--", "true", SECRET="not for hooks")
    bell.wait()
    seen = json.loads((place / "seen").read_text().splitlines()[-1])
    assert (seen["event"], seen["job"]["id"], seen["job"]["name"]) == ("succeeded", job, odd)
    variables = (place / "seen.env").read_text()
    assert f"RUNYARD_JOB_ID={job}\n" in variables and "RUNYARD_EVENT=succeeded\n" in variables
    assert f"RUNYARD_JOB_NAME={odd}\n" in variables and "RUNYARD_TOKEN" not in variables


def test_a_hook_that_fails_or_hangs_touches_no_job(ry: Typist) -> None:
    assert ry("run", "-c0", "--notify", "stuck", "--notify", "broken", "exit 5").code == 5
    job = str(ry.json("show")["id"])

    def both() -> bool:
        return all(f"{name}: failed not told" in ry.ok("show", job) for name in ("stuck", "broken"))

    ry.yard.until("both problems", both)
    shown = ry.ok("show", job)
    assert "did not answer within 0.2 s" in shown and "failed with exit code 3: why" in shown and "again at" in shown
    assert "broken (" in ry.ok("server", "logs", "-n", "1000")


def test_mail(ry: Typist, place: Path, bell: Bell) -> None:
    ry.submit("-c0", "-J", "trän Bcc: eve@x", "--notify", "mail", "exit 2")
    bell.wait()
    words, _, text = (place / "mail").read_bytes().partition(b"----\n")
    assert words.decode().split() == ["-i", "--", "ada@example.org"]
    seen = email.message_from_bytes(text, policy=email.policy.default)
    assert (seen["From"], seen["To"], seen["Bcc"]) == ("yard@example.org", "ada@example.org", None)
    assert "trän Bcc: eve@x" in seen["Subject"] and "failed with exit code 2" in seen["Subject"]
    assert "exit_code: 2" in seen.get_body().get_content()  # type: ignore[union-attr]


def test_mail_of_sbatch(ry: Typist, place: Path, bell: Bell) -> None:
    script = "#!/bin/sh\n#SBATCH --mail-type=END,FAIL,STAGE_OUT\n#SBATCH --mail-user=bob@example.org\n#RY -c0\ntrue\n"
    (ry.directory / "job.sh").write_text(script)
    ended = ry("submit", "job.sh")
    assert ended.err == "ry: job.sh, line 2: #SBATCH --mail-type=STAGE_OUT is not done here\n"
    bell.wait()
    assert b"\nbob@example.org\n----" in (place / "mail").read_bytes()


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ("nobody", "there is no hook 'nobody'; there are: web, desk"),
        ("mail:eve@elsewhere.org", "sends no mail there"),
        ("web:burned", "there is no event 'burned'"),
        ("/bin/sh", "a hook is named first"),
    ],
)
def test_only_what_is_configured_is_told(ry: Typist, wish: str, says: str) -> None:
    assert says in ry.refused("submit", "--notify", wish, "--", "true")


def test_a_queue_may_tell_by_itself(ry: Typist, receiver: Receiver) -> None:
    ry.ok("queue", "add", "loud", "--default", "notify=web:succeeded")
    ry.submit("-c0", "-q", "loud", "--", "true")
    assert receiver.next()["event"] == "succeeded"
    assert ry("run", "-c0", "-q", "loud", "--notify", "none", "--", "true").code == 0
    assert ry.json("show")["spec"]["notify"] == [] and receiver.posts.empty()


def test_hooks_are_listed(ry: Typist) -> None:
    check("hooks", ry.json("hooks"))
    lines = ry.ok("hooks").splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["web", "url", "failed,started"], ["desk", "command", "ended"], ["stuck", "command", "ended"],
        ["broken", "command", "ended"], ["mail", "mail", "ended"],
    ]  # fmt: skip
    assert "there is no hook 'x'" in ry.refused("hooks", "--test", "x")
    assert "exit code 3: why" in ry.refused("hooks", "--test", "broken", code=1)
