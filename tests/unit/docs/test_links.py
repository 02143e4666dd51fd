"""What the pages point at is there."""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.pages import ROOT, Page, pages

ELSEWHERE = re.compile(r"[a-z]+:")
MACHINE = re.compile(r"/work/|/root/|/home/\w|pypi|pythonhosted|localhost:\d")
"""What belongs to one machine, or to no document."""


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Page) -> None:
    broken = [link for link in page.links if not ELSEWHERE.match(link) and not _is_there(page, link)]
    assert not broken


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_nothing_of_one_machine_is_told(page: Page) -> None:
    assert not MACHINE.search(page.text)


def _is_there(page: Page, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.path.parent / path).resolve() if path else page.path
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in Page(target).anchors)


def test_every_decision_is_in_the_list() -> None:
    directory = ROOT / "docs" / "decisions"
    listed = (directory / "README.md").read_text(encoding="utf-8").splitlines()
    for path in directory.glob("0*.md"):
        title = path.read_text(encoding="utf-8").splitlines()[0]
        assert title.startswith(f"# {path.name[:4]} ")
        assert f"* [{path.name[:4]}]({path.name}) {title[7:]}" in listed
