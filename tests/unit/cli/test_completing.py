"""What the Tab key offers, in the words of bash."""

from __future__ import annotations

import pytest

from runyard.api import QueueRow
from runyard.errors import Unavailable
from runyard.model.queue import Queue
from runyard.settings import Settings
from tests.unit.cli.fake import Cli, FakeService, ended, row, running


@pytest.fixture
def cli() -> Cli:
    service = FakeService().add(
        ended(1, "failed", 1, name="old"),
        running(2, name="train"),
        row(3, name="held-one", word="held", note="new loss, (again)"),
        row(4, name="next", group=9),
        ended(5, name="two words"),
        ended(6, name="12", user="bob"),
    )
    service.queue_rows["night"] = QueueRow(Queue("night"))
    return Cli(service)


def answer(cli: Cli, line: str, replaced: str | None = None) -> list[tuple[str, str]]:
    """Kind and value of each item; `replaced` is the part of the last word that bash puts something else for."""
    environ = {"_RY_COMPLETE": "bash_complete", "COMP_WORDS": line}
    told = cli.complete(environ if replaced is None else {**environ, "COMP_CUR": replaced})
    return [(kind, value) for kind, _, value in (item.partition(",") for item in told.splitlines()) if kind]


def offered(cli: Cli, line: str, replaced: str | None = None) -> list[str]:
    return [value for _, value in answer(cli, line, replaced)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ry submit jo", "file"),
        ("ry submit ./jo", "file"),
        ("ry submit train.py --lr jo", "file"),
        ("ry submit train.py -t jo", "file"),
        ("ry submit train.py --h", "file"),
        ("ry run -- python jo", "file"),
        ("ry submit --file jo", "file"),
        ("ry submit -i jo", "file"),
        ("ry submit -o jo", "file"),
        ("ry submit --env-file jo", "file"),
        ("ry submit -D jo", "dir"),
        ("ry submit --venv jo", "dir"),
        ("ry --home jo", "dir"),
    ],
)
def test_files_are_left_to_the_shell(cli: Cli, line: str, kind: str) -> None:
    assert [kind for kind, _ in answer(cli, line)] == [kind]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("ry submit --on-lost ", ["end", "requeue"]),
        ("ry submit --shell ", ["bash", "sh", "zsh", "login"]),
        ("ry submit --retry-on o", ["oom"]),
        ("ry submit -q n", ["night"]),
        ("ry submit --queue=n", ["--queue=night"]),
        ("ry submit --nam", ["--name"]),
        ("ry submit --job-n", []),
        ("ry ls state:fa", ["state:failed"]),
        ("ry ls state:failed,lo", ["state:failed,lost"]),
        ("ry ls queue:", ["queue:default", "queue:night"]),
        ("ry ls user:", ["user:me", "user:bob", "user:ada"]),
        ("ry ls group:", ["group:9"]),
        ("ry ls name:tr", ["name:train"]),
        ("ry ls colour:", []),
        ("ry ls note:", ["note:new", "note:loss", "note:again"]),
        ("ry ls no", ["note:"]),
        ("ry edit 12 --set dr", ["drift="]),
        ("ry show 1", ["1"]),
        ("ry show name:1", ["name:12"]),
        ("ry show two", []),
        ("ry submit -d after", ["afterok:", "afterany:", "afternotok:"]),
        ("ry submit -d afterok:tr", ["afterok:train"]),
        ("ry submit -d 12,afterany:1:ne", ["12,afterany:1:next"]),
        ("ry help sub", ["submit"]),
        ("ry help queue a", ["add"]),
        ("ry su", ["submit"]),
        ("ry sq", ["squeue"]),
        ("ry nonsense ", []),
    ],
)
def test_values(cli: Cli, line: str, values: list[str]) -> None:
    assert sorted(offered(cli, line)) == sorted(values)


@pytest.mark.parametrize(
    ("line", "replaced", "value"),
    [
        ("ry ls state:fa", "fa", "failed"),
        ("ry ls state:failed,lo", "failed,lo", "failed,lost"),
        ("ry ls queue:ni", "ni", "night"),
        ("ry ls user:b", "b", "bob"),
        ("ry ls user:b", "user:b", "user:bob"),
        ('ry ls "user:b', "user:b", "user:bob"),
        ("ry submit -d afterok:tr", "tr", "train"),
        ("ry submit --queue=ni", "ni", "night"),
        ("ry submit --queue=ni", "--queue=ni", "--queue=night"),
    ],
)
def test_bash_gets_the_part_that_it_replaces(cli: Cli, line: str, replaced: str, value: str) -> None:
    assert offered(cli, line, replaced) == [value]


@pytest.mark.parametrize(
    ("verb", "ids"),
    [
        ("stop", ["2", "3", "4"]),
        ("cancel", ["2", "3", "4"]),
        ("kill", ["2", "3", "4"]),
        ("hold", ["4"]),
        ("release", ["3"]),
        ("move", ["3", "4"]),
        ("pause", ["2"]),
        ("resume", []),
        ("attach", ["2"]),
        ("retry", ["1", "5", "6"]),
        ("edit", ["1", "2", "3", "4", "5", "6"]),
        ("show", ["1", "2", "3", "4", "5", "6"]),
    ],
)
def test_a_change_is_offered_jobs_that_it_can_change(cli: Cli, verb: str, ids: list[str]) -> None:
    found = offered(cli, f"ry {verb} ")
    assert sorted(value for value in found if value.isdecimal()) == ids
    assert ("old" in found) == ("1" in ids)


def test_the_words_of_states_that_can_be_stopped(cli: Cli) -> None:
    found = offered(cli, "ry stop state:")
    assert "state:running" in found and "state:failed" not in found


def test_the_home_that_was_typed_is_asked(cli: Cli) -> None:
    asked = []

    def reach(settings: Settings) -> FakeService:
        asked.append(settings.home)
        return cli.service

    cli.wiring.reach = reach  # type: ignore[method-assign]
    offered(cli, "ry --home /other show t")
    assert asked == ["/other"]


def test_no_server_is_started_and_nothing_is_complained_about(cli: Cli) -> None:
    cli.wiring.runs = False
    assert offered(cli, "ry stop t") == []
    assert cli.wiring.connects == 0
    cli.wiring.runs = True
    cli.service.jobs = lambda query: (_ for _ in ()).throw(Unavailable("gone"))  # type: ignore[method-assign]
    assert offered(cli, "ry stop t") == []


def test_zsh_and_fish_are_told_what_an_item_is(cli: Cli) -> None:
    asked = {"COMP_WORDS": "ry show 2"}
    assert cli.complete({"_RY_COMPLETE": "zsh_complete", **asked}) == "plain\n2\ntrain (running)\n"
    assert cli.complete({"_RY_COMPLETE": "fish_complete", **asked}) == "plain,2\ttrain (running)\n"
    whole = {"COMP_WORDS": "ry ls state:fa"}
    assert cli.complete({"_RY_COMPLETE": "zsh_complete", **whole}) == "plain\nstate:failed\n\n"
