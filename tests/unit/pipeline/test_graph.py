"""Who needs whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.errors import InvalidSpec
from runyard.pipeline.graph import Graph

DIAMOND = Graph({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c", "a")})


@st.composite
def dags(draw: st.DrawFn) -> Graph:
    """Graphs whose nodes are named in the order of submission, each needing some of those before it."""
    size = draw(st.integers(0, 12))
    names = draw(st.permutations([f"n{number}" for number in range(size)]))
    needs = {}
    for number, name in enumerate(names):
        needs[name] = tuple(draw(st.lists(st.sampled_from(names[:number]), unique=True))) if number else ()
    return Graph(dict(draw(st.permutations(list(needs.items())))))


def test_the_order_is_the_given_one_where_it_can_be() -> None:
    assert Graph({"b": (), "a": (), "c": ("a",)}).order == ("b", "a", "c")
    assert Graph({"c": ("a",), "b": (), "a": ()}).order == ("b", "a", "c")


def test_layers_sinks_and_dependants() -> None:
    assert DIAMOND.layers == (("a",), ("b", "c"), ("d",))
    assert DIAMOND.sinks == ("d",)
    assert DIAMOND.dependants["a"] == ("b", "c", "d")


def test_what_is_implied_goes() -> None:
    assert DIAMOND.reduced().needs == {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def test_a_failure_skips_all_after_it() -> None:
    assert DIAMOND.skipped({"b"}) == {"d": "b"}
    assert DIAMOND.skipped({"a"}) == {"b": "a", "c": "a", "d": "b"}


@pytest.mark.parametrize("needs", [{"a": ("a",)}, {"x": (), "a": ("x", "b"), "b": ("c",), "c": ("a",)}])
def test_a_circle_is_named(needs: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(InvalidSpec, match="'a' needs"):
        _ = Graph(needs).order


def test_a_need_that_is_no_node_does_not_count() -> None:
    assert Graph({"a": ("gone",)}).order == ("a",)


def test_a_very_long_chain() -> None:
    needs = {str(number): (str(number - 1),) if number else () for number in range(20_000)}
    assert Graph(needs).order[-1] == "19999"
    assert len(Graph(needs).layers) == 20_000


def reached(graph: Graph, name: str) -> set[str]:
    found: set[str] = set()
    todo = list(graph.needs[name])
    while todo:
        need = todo.pop()
        if need not in found:
            found.add(need)
            todo.extend(graph.needs[need])
    return found


@given(dags())
def test_any_graph(graph: Graph) -> None:
    place = {name: number for number, name in enumerate(graph.order)}
    assert sorted(place) == sorted(graph.needs)
    assert all(place[need] < place[name] for name, needs in graph.needs.items() for need in needs)
    reduced = graph.reduced()
    for name in graph.needs:
        assert reached(reduced, name) == reached(graph, name)
        for need in reduced.needs[name]:
            assert all(need not in reached(reduced, other) for other in reduced.needs[name] if other != need)


@given(dags(), st.data())
def test_who_is_skipped_has_a_need_that_did_not_pass(graph: Graph, data: st.DataObject) -> None:
    failed = set(data.draw(st.lists(st.sampled_from(sorted(graph.needs)), unique=True))) if graph.needs else set()
    skipped = graph.skipped(failed)
    bad = failed | set(skipped)
    for name, needs in graph.needs.items():
        assert (name in skipped) == any(need in bad for need in needs)
