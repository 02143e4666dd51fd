"""Pages of tracking services, out of what jobs print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.model.link import Link
from runyard.model.links import LINKS_MAX, found_in, is_well_known, resuming

WANDB_TOLD = (
    "wandb: ⭐️ View project at https://wandb.ai/ada/digits\n"
    "wandb: 🚀 View run at https://wandb.ai/ada/digits/runs/3k7xq1ab\n"
).encode()


def test_weights_and_biases() -> None:
    assert found_in(WANDB_TOLD) == (
        Link("wandb", "https://wandb.ai/ada/digits", "project"),
        Link("wandb", "https://wandb.ai/ada/digits/runs/3k7xq1ab", "run", "3k7xq1ab"),
    )


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("https://wandb.ai/ada/digits", True),
        ("https://lab.wandb.ai/ada", True),
        ("https://www.comet.com/ada", True),
        ("http://localhost:6006/", True),
        ("http://127.0.0.1:5000", True),
        ("http://wandb.ai/ada", False),
        ("https://wandb.ai.evil.example/ada", False),
        ("https://evilwandb.ai/ada", False),
        ("https://evil.example/wandb.ai/", False),
        ("https://wandb.ai:8443/ada", False),
        ("http://mlflow.lab.example:5000/", False),
    ],
)
def test_which_pages_are_well_known(address: str, known: bool) -> None:
    assert is_well_known(address) is known


def test_a_server_of_ones_own() -> None:
    (link,) = found_in(b"wandb: View run at http://wandb.lab.example:8080/ada/digits/runs/abc?nw=1\n")
    assert (link.kind, link.run) == ("wandb", "abc")


@pytest.mark.parametrize(
    ("line", "kind", "about"),
    [
        (b"COMET INFO: Experiment is live on comet.com https://www.comet.com/ada/digits/0f3a", "comet", "run"),
        (b"View run calm-fox at: http://mlflow.example:5000/#/experiments/1/runs/9f2c", "mlflow", "run"),
        (b"MLflow: View experiment at: http://10.0.0.1:5000/#/experiments/1", "mlflow", "project"),
        (b"TensorBoard 2.17.0 at http://localhost:6006/ (Press CTRL+C to quit)", "tensorboard", "run"),
        (b"ClearML results page: https://app.clear.ml/projects/x/experiments/y", "clearml", "run"),
        (b"\x1b[34mwandb\x1b[0m: View run at \x1b[34mhttps://wandb.ai/a/b/runs/c\x1b[0m", "wandb", "run"),
    ],
)
def test_other_services(line: bytes, kind: str, about: str) -> None:
    (link,) = found_in(b"noise\n" + line + b"\n")
    assert (link.kind, link.about) == (kind, about)
    assert "\x1b" not in link.address


@pytest.mark.parametrize(
    "line",
    [
        b"see https://example.org/wiki for help",
        b"wandb: ftp://wandb.ai/a/b/runs/c",
        b"wandb: https://user:secret@wandb.ai/a/b/runs/c",
        b"wandb: javascript:alert(1)",
        b"wandb: https://",
        b"docs at https://wandb.ai",
        b"wandb: https://w\xd0\xb0ndb.ai/a/b/runs/c",  # a letter of another alphabet
    ],
)
def test_what_is_no_page_of_a_run(line: bytes) -> None:
    assert all(link.run == "" and "@" not in link.address for link in found_in(line))
    assert b"secret" not in repr(found_in(line)).encode()


def test_each_page_once_and_not_too_many() -> None:
    assert len(found_in(WANDB_TOLD * 3)) == 2
    many = b"".join(b"wandb: https://wandb.ai/a/b/runs/%d\n" % number for number in range(100))
    assert len(found_in(many)) == LINKS_MAX


@given(st.binary(max_size=300))
def test_anything_can_be_printed(noise: bytes) -> None:
    for link in found_in(b"wandb https://wandb.ai/a/b" + noise):
        assert link.address.isprintable() and link.address.startswith(("http://", "https://"))


def test_a_run_that_is_gone_on_with() -> None:
    assert resuming(found_in(WANDB_TOLD)) == (("WANDB_RUN_ID", "3k7xq1ab"), ("WANDB_RESUME", "allow"))
    assert resuming(found_in(b"nothing")) == ()
