"""Names of the code that the pages use exist: records, modules, functions, files."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import pytest

from docs import generate
from runyard.foreign.daemon import OF_A_JOB
from tests.unit.docs.pages import ROOT, SOURCE, Page, pages

GLOSSARY = Page(ROOT / "docs" / "glossary.md")
DOTTED = re.compile(r"((?:[a-z_]+\.)+)([A-Za-z_]+)")
IN_A_FILE = re.compile(r"([a-z_]+(?:/[a-z_]+)+)(?:\.(?!py\b)([A-Za-z_]+(?:\.[a-z_]+)?))?")
A_FILE = re.compile(r"[\w./-]*\w\.(?:py|md|toml|sh)")
NO_FILES = frozenset({"config.toml", "train.py", "python", "sweep.json"})
"""Files that a user has, not this project."""

PLACES = (ROOT, SOURCE, ROOT / "docs", *(path for path in SOURCE.iterdir() if path.is_dir()))
"""Where a page may say that a file lies: from the top, from the package, or beside one named before."""

IN_A_HOME = {str(value).removeprefix("/home/") for value in generate.places("/home").values()}
"""Paths below a home look like modules."""

HISTORY = ("CHANGELOG.md", "docs/decisions/")
"""Pages that keep what was."""

NOW = [page for page in pages() if not page.name.startswith(HISTORY)]


def test_the_glossary_names_what_exists() -> None:
    names = [
        match for text in GLOSSARY.code if (match := DOTTED.fullmatch(text)) and _is_module([match[1].split(".")[0]])
    ]
    assert len(names) > 60
    missing = [match[0] for match in names if not _has(match[1].rstrip("."), match[2])]
    assert not missing


def test_the_glossary_names_every_record() -> None:
    names = [f"model.{found.name}" for found in iter_modules([str(SOURCE / "model")])]
    modules = [import_module(f"runyard.{name}") for name in (*names, "api")]
    records = {
        f"{module.__name__.removeprefix('runyard.')}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if generate.is_record(value, module.__name__)
    }
    assert records <= set(GLOSSARY.code)


@pytest.mark.parametrize("page", NOW, ids=lambda page: page.name)
def test_places_in_the_code_exist(page: Page) -> None:
    texts = [text for text in page.code if text not in IN_A_HOME]
    named = [match for text in texts if (match := IN_A_FILE.fullmatch(text)) and _is_ours(match[1])]
    missing = [match[0] for match in named if not _exists(match[1], match[2] or "")]
    assert not missing


@pytest.mark.parametrize("page", NOW, ids=lambda page: page.name)
def test_files_exist(page: Page) -> None:
    named = [text for text in page.code if A_FILE.fullmatch(text) and text not in NO_FILES and "<" not in text]
    missing = [name for name in named if not any((place / name).exists() for place in (*PLACES, page.path.parent))]
    assert not missing


def test_every_variable_of_a_job_is_told() -> None:
    assert set(OF_A_JOB) <= set(Page(ROOT / "docs" / "jobs.md").code)


def _is_ours(path: str) -> bool:
    """Whether it begins with one of our packages."""
    return (SOURCE / path.partition("/")[0] / "__init__.py").exists()


def _exists(path: str, inside: str) -> bool:
    if not (SOURCE / f"{path}.py").exists():
        return (SOURCE / path).is_dir() and not inside
    outer, _, inner = inside.partition(".")
    name = path.replace("/", ".")
    return not inside or (_has(name, outer) and (not inner or _has(f"{name}.{outer}", inner)))


def _has(dotted: str, name: str) -> bool:
    """Whether a module or class of ours has this name."""
    holder: ModuleType | type | None = None
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        if _is_module(parts[:end]):
            holder = import_module("runyard." + ".".join(parts[:end]))
            for part in parts[end:]:
                holder = getattr(holder, part, None)
            break
    return hasattr(holder, name) or name in getattr(holder, "__annotations__", {})


def _is_module(parts: list[str]) -> bool:
    path = SOURCE.joinpath(*parts)
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
