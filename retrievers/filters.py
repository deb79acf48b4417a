"""The one `where` filter: checked once, then evaluated by SQLite over the nodes it is asked about.

    {"source": "/docs/a.pdf"}                          a bare value means $eq
    {"page": {"$gte": 3, "$lte": 9}, "kind": "chunk"}  several operators, or several keys, must all hold
    {"$or": [{"author": "Ann"}, {"year": {"$in": [2024, 2025]}}]}

Keys are metadata keys, and the node's own source, page, kind and document_id, which win over metadata of the same
name. Comparisons are strict about types: numbers (a bool is none) with numbers, strings with strings by code point,
bools with bools. A list in the metadata matches where any of its elements does. `$ne` and `$nin` are the exact
opposites of `$eq` and `$in`; a missing key, a None and an empty list match nothing but these two.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import FilterError
from ..loaders.node import Node
from .retriever import Where

__all__ = ["MAX_DEPTH", "MAX_OPERANDS", "filter_nodes", "to_sql"]

MAX_DEPTH = 32  # of $and and $or: far above what a person writes, far below the limits of SQLite's parser
MAX_OPERANDS = 1_000  # values compared with: a longer list of allowed ids is a join, not a filter

COMPARISONS = {"$eq": "=", "$ne": "=", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<=", "$in": "IN", "$nin": "IN"}
NEGATED = frozenset({"$ne", "$nin"})
LISTS = frozenset({"$in", "$nin"})
ORDERINGS = frozenset({"$gt", "$gte", "$lt", "$lte"})
LOGICAL = {"$and": " AND ", "$or": " OR "}
ALLOWED = f"the operators are {', '.join((*COMPARISONS, *LOGICAL))}"
FIELDS = {"source": "string", "page": "number", "kind": "string", "document_id": "string"}
PLAIN_KEY = re.compile(r"[A-Za-z0-9_ .:/-]+")  # reads the same inside a quoted JSON path and escaped in JSON text
INT64 = 2**63  # SQLite's whole numbers are in [-2**63, 2**63)
SHOWN_CHARS = 80

Fragment: TypeAlias = "tuple[str, list[object]]"


@dataclass(frozen=True, slots=True)
class _Test:
    key: str
    operator: str
    operands: tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple[_All | _Any | _Test, ...]


@dataclass(frozen=True, slots=True)
class _Any:
    parts: tuple[_All | _Any | _Test, ...]


def to_sql(where: Where) -> Fragment:
    """Returns the filter as a boolean SQL expression, never NULL, and the values bound to its question marks.

    The expression reads a table (or alias) `nodes` with the columns source TEXT, page INTEGER or NULL, kind TEXT,
    document_id TEXT and metadata TEXT, a JSON object. Keys and operands are bound, never part of the SQL text.

    Args:
        where: The filter; the empty mapping gives an expression that is always true.

    Raises:
        FilterError: An unknown operator, an operand of the wrong type, an empty `$and` or `$or`, more than 32
            levels or 1,000 operands; the message names the part and the operators there are.
    """
    return _expression(_parse(where))


def filter_nodes(nodes: Sequence[Node], where: Where | None) -> list[Node]:
    """Returns the nodes that the filter lets through, in their order: for lists in memory, by the same SQL.

    Args:
        nodes: Any nodes.
        where: The filter, None for all.

    Raises:
        FilterError: The filter is not well formed; see `to_sql`.
    """
    if where is None:
        return list(nodes)
    expression, parameters = to_sql(where)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE nodes (source TEXT, page INTEGER, kind TEXT, document_id TEXT, metadata TEXT)")
        rows = [(n.source, n.page, n.kind, n.document_id, json.dumps(dict(n.metadata))) for n in nodes]
        database.executemany("INSERT INTO nodes VALUES (?, ?, ?, ?, ?)", rows)
        kept = database.execute(f"SELECT rowid FROM nodes WHERE {expression} ORDER BY rowid", parameters).fetchall()
    return [nodes[rowid - 1] for (rowid,) in kept]


def _parse(where: object) -> _All:
    parsed = _parse_mapping(where, 0)
    count = _count_operands(parsed)
    if count > MAX_OPERANDS:
        raise FilterError(f"a filter may compare with at most {MAX_OPERANDS:,} values, got {count:,}")
    return parsed


def _parse_mapping(where: object, depth: int) -> _All:
    if depth > MAX_DEPTH:
        raise FilterError(f"a filter may nest $and and $or at most {MAX_DEPTH} levels deep")
    if not isinstance(where, Mapping):
        raise FilterError(f"a filter must be a mapping such as {{'page': 3}}, got {_shown(where)}; {ALLOWED}")
    parts: list[_All | _Any | _Test] = []
    for key, value in where.items():
        if not isinstance(key, str):
            raise FilterError(f"a filter's keys must be strings, got {_shown(key)}")
        if key in LOGICAL:
            parts.append(_parse_logical(key, value, depth))
        elif key.startswith("$"):
            raise FilterError(f"{key!r} is not an operator that can stand before a list of filters; {ALLOWED}")
        else:
            parts.extend(_parse_tests(key, value))
    return _All(tuple(parts))


def _parse_logical(operator: str, value: object, depth: int) -> _All | _Any:
    if not isinstance(value, list | tuple) or not value:
        raise FilterError(f"{operator} needs a list of at least one filter, got {_shown(value)}")
    parts = tuple(_parse_mapping(part, depth + 1) for part in value)
    return _All(parts) if operator == "$and" else _Any(parts)


def _parse_tests(key: str, value: object) -> list[_Test]:
    _check_text(key, f"the key {_shown(key)}")
    if not isinstance(value, Mapping):
        return [_test(key, "$eq", value)]
    if not value:
        raise FilterError(f"the filter on {key!r} names no operator; {ALLOWED}")
    for operator in value:
        if not isinstance(operator, str) or operator not in COMPARISONS:
            raise FilterError(f"{_shown(operator)} is no operator for the key {key!r}; {ALLOWED}")
    return [_test(key, operator, operand) for operator, operand in value.items()]


def _test(key: str, operator: str, operand: object) -> _Test:
    if operator not in LISTS:
        return _Test(key, operator, (_operand(key, operator, operand),))
    if not isinstance(operand, list | tuple):
        raise FilterError(f"{operator} on {key!r} needs a list of values, got {_shown(operand)}")
    return _Test(key, operator, tuple(_operand(key, operator, item) for item in operand))


def _operand(key: str, operator: str, value: object) -> str | int | float | bool:
    """Returns the value that is compared with, once it is known to be comparable."""
    place = f"{operator} on {key!r}"
    if isinstance(value, list | tuple):
        raise FilterError(f"{place} needs one value, got {_shown(value)}: use $in to match any of several")
    if not isinstance(value, str | int | float):
        raise FilterError(f"{place} needs a string, a number or a bool, got {_shown(value)}")
    if isinstance(value, bool) and operator in ORDERINGS:
        raise FilterError(f"{place} needs a number or a string, got {value!r}: a bool has no order")
    if FIELDS.get(key, _type_name(value)) != _type_name(value):
        raise FilterError(f"{place}: a node's {key} is a {FIELDS[key]}, got {_shown(value)}")
    if isinstance(value, str):
        _check_text(value, f"the value of {place}")
    elif not math.isfinite(value) or (not -INT64 <= value < INT64 and isinstance(value, int)):
        raise FilterError(f"{place} needs a finite number, whole ones within 64 bits, got {_shown(value)}")
    return value


def _check_text(text: str, what: str) -> None:
    """Raises for what SQLite can't bind or would cut: lone surrogates and NUL characters."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError(f"{what} holds a NUL or half of a surrogate pair, which no text in the index has")


def _count_operands(clause: _All | _Any | _Test) -> int:
    """Returns the number of values compared with; an empty list or filter is SQL all the same and counts as one."""
    parts = len(clause.operands) if isinstance(clause, _Test) else sum(map(_count_operands, clause.parts))
    return max(parts, 1)


def _type_name(value: str | int | float | bool) -> str:
    return {str: "string", bool: "bool"}.get(type(value), "number")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."


def _expression(clause: _All | _Any | _Test) -> Fragment:
    if isinstance(clause, _All):
        return _joined([_expression(part) for part in clause.parts], " AND ") if clause.parts else ("1", [])
    if isinstance(clause, _Any):
        return _joined([_expression(part) for part in clause.parts], " OR ")
    matches = _field_matches if clause.key in FIELDS else _metadata_matches
    sql, parameters = matches(clause)
    return (f"NOT {sql}" if clause.operator in NEGATED else sql), parameters


def _joined(parts: Sequence[Fragment], glue: str) -> Fragment:
    """Joins in a balanced tree: a chain of 1,000 would pass the limit of 1,000 on the depth of SQLite's expressions."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = _joined(parts[:middle], glue), _joined(parts[middle:], glue)
    return f"({left[0]}{glue}{right[0]})", [*left[1], *right[1]]


def _field_matches(test: _Test) -> Fragment:
    condition, parameters = _comparison(f"nodes.{test.key}", test.operator, test.operands)
    return f"coalesce({condition}, 0)", parameters


def _metadata_matches(test: _Test) -> Fragment:
    """Returns whether one of the key's values (itself, or a list's elements) has an operand's type and compares so."""
    by_type: dict[str, list[str | int | float | bool]] = {}
    for operand in test.operands:
        by_type.setdefault(_type_name(operand), []).append(operand)
    values, parameters = _values_of(test.key)
    conditions: list[Fragment] = [_TYPED[name](test.operator, operands) for name, operands in by_type.items()] or [
        ("0", [])
    ]
    condition, bound = _joined(conditions, " OR ")
    return f"EXISTS (SELECT 1 FROM {values} AS item WHERE {condition})", [*parameters, *bound]


def _values_of(key: str) -> Fragment:
    """Returns a table of a key's values with the columns type and value: one row, or one per element of a list.

    json_each does so by itself when it is given a path (0.75 us a node). Keys that a JSON path of older SQLite
    versions can't hold (quotes, brackets, escaped letters) are compared whole instead (1.6 us a node).
    """
    if PLAIN_KEY.fullmatch(key):
        return "json_each(nodes.metadata, ?)", [f'$."{key}"']
    return (
        "(SELECT coalesce(element.type, entry.type) AS type, coalesce(element.value, entry.value) AS value"
        " FROM json_each(nodes.metadata) AS entry"
        " LEFT JOIN json_each(CASE entry.type WHEN 'array' THEN entry.value ELSE '[]' END) AS element"
        " WHERE entry.key = ?)"
    ), [key]


def _typed_strings(operator: str, operands: Sequence[str | int | float | bool]) -> Fragment:
    condition, parameters = _comparison("item.value", operator, operands)
    return f"(item.type = 'text' AND {condition})", parameters


def _typed_numbers(operator: str, operands: Sequence[str | int | float | bool]) -> Fragment:
    condition, parameters = _comparison("item.value", operator, operands)
    return f"(item.type IN ('integer', 'real') AND {condition})", parameters


def _typed_bools(operator: str, operands: Sequence[str | int | float | bool]) -> Fragment:
    return _comparison("item.type", operator, ["true" if operand else "false" for operand in operands])


_TYPED: dict[str, Callable[[str, Sequence[str | int | float | bool]], Fragment]] = {
    "string": _typed_strings,
    "number": _typed_numbers,
    "bool": _typed_bools,
}


def _comparison(value: str, operator: str, operands: Sequence[str | int | float | bool]) -> Fragment:
    """Returns the comparison with bound operands.

    A float is bound as its text and cast, so that SQLite reads it by the routine that read the JSON's own numbers:
    older versions round a last digit differently from Python, and then 0.1 would not equal 0.1.
    """
    slots = ["CAST(? AS REAL)" if isinstance(operand, float) else "?" for operand in operands]
    parameters: list[object] = [repr(operand) if isinstance(operand, float) else operand for operand in operands]
    right = f"({', '.join(slots)})" if operator in LISTS else slots[0] if slots else ""
    return f"{value} {COMPARISONS[operator]} {right}", parameters
