"""The filter language of `--where`: comparisons of fields, parameters and metrics, joined by and, or, not.

    acc > 0.8 and (lr < 0.01 or opt = adam)        runtime > 2h and not state = failed
    name ~ train* or command ~ resnet              ended > -1d          "my param" != 'x y'

`parse` reads it (tokens, then one function for each rule of the grammar), `predicate` makes a test of it. Nothing is
ever evaluated as code. A comparison with something that a job lacks is neither true nor false: the job does not match,
nor does it by a `not` around it. `~` looks for a pattern with * and ?, or for a part, in any case of letters. A missing
or wrong piece is refused with the place where it stands.

    expression  = conjunction { "or" conjunction }       comparison = name operator value
    conjunction = negation { "and" negation }            operator   = "=" "==" "!=" "<" "<=" ">" ">=" "~" "!~"
    negation    = "not" negation | "(" expression ")" | comparison
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NoReturn, Optional, Union

from runyard.errors import InvalidSpec
from runyard.model.fields import FIELDS, NUMBER, SPAN, TIME, WORD, Scalar, Value, number_in
from runyard.model.job import WORDS, JobState
from runyard.model.moments import Calendar, is_moment, moment_in
from runyard.model.record import dataclass
from runyard.model.spans import span_seconds

LENGTH_MAX = 4_096
DEPTH_MAX = 50
"""How deep parentheses and `not` may stand in each other."""

SHOWN = 24
"""How many characters of a wrong text are shown."""

KEYWORDS = ("and", "or", "not")
ORDERING: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
LIKE, UNLIKE, EQUAL, UNEQUAL = "~", "!~", "=", "!="
STATES = frozenset((*WORDS, *(state.value for state in JobState)))

_TOKEN = re.compile(
    r"""(?P<blank>\s+)
      | (?P<mark>[()])
      | (?P<operator>==|!=|<=|>=|!~|[=<>~])
      | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<word>[^\s()=<>~!"']+)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"""[^\s()=<>~!"'\\]+""")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class Comparison:
    """What stands under this name against this text. `quoted`: the text is no number and no time, whatever it says."""

    name: str
    operator: str
    value: str
    quoted: bool = False


@dataclass(frozen=True)
class Not:
    """What must not hold."""

    part: Expression


@dataclass(frozen=True)
class Both:
    """Parts joined by `and`."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Either:
    """Parts joined by `or`."""

    parts: tuple[Expression, ...]


Expression = Union[Comparison, Not, Both, Either]

Lookup = Callable[[str], Value]
"""What one job has under a name."""

Verdict = Callable[[Lookup], Optional[bool]]
"""True, False, or None where something that is compared is missing."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Expression:
    """The expression in this text; InvalidSpec says what is wrong with it, and where."""
    return _Parser(text).whole()


def predicate(expression: Expression, calendar: Calendar) -> Callable[[Lookup], bool]:
    """The test whether a job matches."""
    verdict = _verdict(expression, calendar)
    return lambda lookup: verdict(lookup) is True


def text_of(expression: Expression) -> str:
    """The text that `parse` reads as this expression."""
    if isinstance(expression, Comparison):
        value = _quote(expression.value) if expression.quoted else expression.value
        return f"{_name(expression.name)} {expression.operator} {value}"
    if isinstance(expression, Not):
        return f"not {_part(expression.part, (Both, Either))}"
    if isinstance(expression, Both):
        return " and ".join(_part(part, (Both, Either)) for part in expression.parts)
    return " or ".join(_part(part, (Either,)) for part in expression.parts)


def names_in(expression: Expression) -> frozenset[str]:
    """All names that are compared."""
    if isinstance(expression, Comparison):
        return frozenset((expression.name,))
    if isinstance(expression, Not):
        return names_in(expression.part)
    return frozenset().union(*map(names_in, expression.parts))


class _Parser:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > LENGTH_MAX:
            raise InvalidSpec(f"longer than {LENGTH_MAX} characters", "where")
        self._text = text
        self._tokens = self._cut()
        self._place = 0
        self._depth = 0

    def whole(self) -> Expression:
        if not self._tokens[0].kind:
            raise InvalidSpec("it is empty; say what has to hold, such as 'acc > 0.8 and state = succeeded'", "where")
        expression = self._joined("or")
        token = self._tokens[self._place]
        if token.text == ")":
            self._fail("there is no parenthesis to close", token)
        if token.kind:
            self._fail("'and' or 'or' was expected", token)
        return expression

    def _cut(self) -> list[_Token]:
        tokens, place = [], 0
        while place < len(self._text):
            match = _TOKEN.match(self._text, place)
            if match is None:
                self._fail(self._no_token(self._text[place]), _Token("wrong", self._text[place:], place))
            if match.lastgroup != "blank":
                tokens.append(_Token(match.lastgroup or "", match[0], place))
            place = match.end()
        return [*tokens, _Token("", "", len(self._text))]

    @staticmethod
    def _no_token(start: str) -> str:
        return (
            "a quoted text has no end" if start in "\"'" else "write '!=' for 'is not', and 'not' before a comparison"
        )

    def _joined(self, word: str) -> Expression:
        """Parts between `or`, and between `and` in each of them."""
        parts = [self._operand(word)]
        while self._is(word):
            self._place += 1
            parts.append(self._operand(word))
        if len(parts) == 1:
            return parts[0]
        return Either(tuple(parts)) if word == "or" else Both(tuple(parts))

    def _operand(self, word: str) -> Expression:
        return self._joined("and") if word == "or" else self._negation()

    def _negation(self) -> Expression:
        token = self._tokens[self._place]
        if not self._is("not") and token.text != "(":
            return self._comparison()
        self._place += 1
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self._fail(f"parentheses and 'not' stand more than {DEPTH_MAX} deep", token)
        expression = self._inner(token) if token.text == "(" else Not(self._negation())
        self._depth -= 1
        return expression

    def _inner(self, opened: _Token) -> Expression:
        expression = self._joined("or")
        if self._tokens[self._place].text != ")":
            here = self._tokens[self._place]
            self._fail("'and', 'or' or ')' was expected" if here.kind else "this parenthesis is not closed",
                       here if here.kind else opened)  # fmt: skip
        self._place += 1
        return expression

    def _comparison(self) -> Comparison:
        name = self._next("the name of a field, parameter or metric")
        op = self._tokens[self._place]
        if op.kind != "operator":
            self._fail(f"one of = != < <= > >= ~ was expected behind {name.text!r}", op)
        self._place += 1
        value = self._next(f"a value was expected behind {op.text!r}")
        made = Comparison(
            _unquoted(name), EQUAL if op.text == "==" else op.text, _unquoted(value), value.kind == "quoted"
        )
        why = _mistake(made)
        if why:
            self._fail(why, value)
        return made

    def _next(self, expected: str) -> _Token:
        """A word or a quoted text."""
        token = self._tokens[self._place]
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text.lower() in KEYWORDS):
            self._fail(expected if expected.endswith("'") else f"{expected} was expected", token)
        self._place += 1
        return token

    def _is(self, word: str) -> bool:
        token = self._tokens[self._place]
        return token.kind == "word" and token.text.lower() == word

    def _fail(self, why: str, token: _Token) -> NoReturn:
        rest = self._text[token.at :]
        shown = rest[:SHOWN] + ("..." if len(rest) > SHOWN else "")
        where = f"at character {token.at + 1}, before {shown!r}" if shown else "at its end"
        raise InvalidSpec(f"{where}: {why}", "where")


def _unquoted(token: _Token) -> str:
    return _ESCAPED.sub(r"\1", token.text[1:-1]) if token.kind == "quoted" else token.text


def _mistake(comparison: Comparison) -> str:
    """Why this value cannot be compared with this field ("" if it can)."""
    field = FIELDS.get(comparison.name)
    value = comparison.value
    if field is None or comparison.operator in (LIKE, UNLIKE):
        return ""
    if field.kind == NUMBER and (comparison.quoted or number_in(value) is None):
        return f"{comparison.name} is a number"
    if field.kind == SPAN and span_seconds(value) is None and value != "0":
        return f"{comparison.name} is a span of time: say 90s, 20m, 2h or 1h30m"
    if field.kind == TIME and not is_moment(value):
        return f"{comparison.name} is a moment: say 2026-12-31, '2026-12-31 14:00', 14:00, today, or -2h (2 hours ago)"
    if field.kind == WORD and value not in STATES:
        return f"{value!r} is none of {', '.join(WORDS)}"
    return ""


def _verdict(expression: Expression, calendar: Calendar) -> Verdict:
    if isinstance(expression, Comparison):
        return _compared(expression, calendar)
    if isinstance(expression, Not):
        part = _verdict(expression.part, calendar)
        return lambda lookup: None if (found := part(lookup)) is None else not found
    parts = [_verdict(part, calendar) for part in expression.parts]
    decides = isinstance(expression, Either)

    def joined(lookup: Lookup) -> Optional[bool]:
        found = [part(lookup) for part in parts]
        return decides if decides in found else None if None in found else not decides

    return joined


def _compared(comparison: Comparison, calendar: Calendar) -> Verdict:
    holds = _test(comparison, calendar)
    negative = comparison.operator in (UNEQUAL, UNLIKE)

    def verdict(lookup: Lookup) -> Optional[bool]:
        value = lookup(comparison.name)
        if value is None:
            return None
        found = [holds(one) for one in (value if isinstance(value, tuple) else (value,))]
        if found and found.count(None) == len(found):
            return None
        return (True in found) is not negative

    return verdict


def _test(comparison: Comparison, calendar: Calendar) -> Callable[[Scalar], Optional[bool]]:
    """Whether one value is equal (for != too), like (for !~ too), before or behind; None if that is no question."""
    if comparison.operator in (LIKE, UNLIKE):
        like = _like(comparison.value.lower())
        return lambda held: like((held if isinstance(held, str) else f"{held:g}").lower())
    order: Callable[[Any, Any], bool] = ORDERING.get(comparison.operator, operator.eq)
    number = _number(comparison, calendar)
    text = comparison.value

    def test(held: Scalar) -> Optional[bool]:
        known = number_in(held) if isinstance(held, str) else held
        if number is not None and known is not None:
            return order(known, number)
        if isinstance(held, str) and (number is None or order is operator.eq):
            return order(held, text)
        return False if order is operator.eq else None

    return test


def _number(comparison: Comparison, calendar: Calendar) -> Optional[float]:
    """The number that a value is compared with, if it is one."""
    field = FIELDS.get(comparison.name)
    if field is not None and field.kind == SPAN:
        return span_seconds(comparison.value) or 0.0
    if field is not None and field.kind == TIME:
        return moment_in(comparison.value, calendar)
    return None if comparison.quoted else number_in(comparison.value)


def _like(pattern: str) -> Callable[[str], bool]:
    """With * or ? it is like the whole text, else like a part of it. (Pieces are found one after the other: a regular
    expression with many stars could take for ever.)"""
    if not {"*", "?"} & set(pattern):
        return lambda text: pattern in text
    texts = pattern.split("*")
    first, *middle = [re.compile(re.escape(piece).replace(r"\?", "."), re.DOTALL) for piece in texts]
    if not middle:
        return lambda text: first.fullmatch(text) is not None
    last = middle.pop()

    def holds(text: str) -> bool:
        found = first.match(text)
        for piece in middle:
            found = piece.search(text, found.end()) if found else None
        tail = len(text) - len(texts[-1])
        return found is not None and found.end() <= tail and last.fullmatch(text, tail) is not None

    return holds


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name.lower() not in KEYWORDS else _quote(name)


def _quote(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _part(part: Expression, kinds: tuple[type, ...]) -> str:
    return f"({text_of(part)})" if isinstance(part, kinds) else text_of(part)
