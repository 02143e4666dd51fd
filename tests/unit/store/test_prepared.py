"""Prepared statements in the styles that drivers know."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, make_url, select, update
from sqlalchemy.dialects import sqlite

from runyard.store.prepared import Prepared, compile_for

THINGS = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("a", String), Column("b", String))


def test_rows_in_the_order_of_the_statement_are_passed_on() -> None:
    statement = insert(THINGS).values({name: bindparam(name) for name in ("id", "a", "b")})
    compiled = compile_for(sqlite.dialect(), Prepared(statement, ("id", "a", "b")))
    assert compiled.text == "INSERT INTO things (id, a, b) VALUES (?, ?, ?)"
    assert compiled.bind is None
    assert compiled.row((1, "x", "y")) == (1, "x", "y")


def test_other_orders_and_fixed_values_are_put_in_their_places() -> None:
    statement = select(THINGS.c.id).where(THINGS.c.a == bindparam("first"), THINGS.c.b == "fixed").limit(7)
    compiled = compile_for(sqlite.dialect(), Prepared(statement, ("first",)))
    assert compiled.row(("x",))[:2] == ("x", "fixed")
    assert 7 in compiled.row(("x",))
    changing = update(THINGS).where(THINGS.c.id == bindparam("which")).values(a=bindparam("new"))
    compiled = compile_for(sqlite.dialect(), Prepared(changing, ("which", "new")))
    assert list(compiled.rows([(1, "x"), (2, "y")])) == [("x", 1), ("y", 2)]


def test_a_name_that_is_used_twice() -> None:
    statement = select(THINGS.c.id).where((THINGS.c.a == bindparam("word")) | (THINGS.c.b == bindparam("word")))
    assert compile_for(sqlite.dialect(), Prepared(statement, ("word",))).row(("x",)) == ("x", "x")


@pytest.mark.parametrize(("url", "mark"), [("mysql://", "%s"), ("postgresql://", "%(which)s")])
def test_other_dialects(url: str, mark: str) -> None:
    statement = select(THINGS.c.id).where(THINGS.c.a == bindparam("which"), THINGS.c.b == "fixed")
    compiled = compile_for(make_url(url).get_dialect()(), Prepared(statement, ("which",)))
    assert mark in compiled.text
    row = compiled.row(("x",))
    assert list(row.values() if isinstance(row, dict) else row) in (["x", "fixed"], ["fixed", "x"])
