"""Ways to damage a file: each takes its bytes and gives others, by dice."""

import io
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

Change = Callable[[bytes, random.Random], bytes]


def flip(content: bytes, dice: random.Random) -> bytes:
    """Flip some bits."""
    changed = bytearray(content or b"\0")
    for _ in range(dice.choice((1, 1, 3, 50))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def flip_at_an_end(content: bytes, dice: random.Random) -> bytes:
    """Flip a bit among the first or the last hundred bytes, where formats keep what a file is."""
    changed = bytearray(content or b"\0")
    place = dice.randrange(min(100, len(changed)))
    changed[dice.choice((place, -1 - place))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(content: bytes, dice: random.Random) -> bytes:
    """Keep the beginning."""
    return content[: dice.randrange(len(content) + 1)]


def repeat(content: bytes, dice: random.Random) -> bytes:
    """Repeat a stretch."""
    start = dice.randrange(len(content) + 1)
    return content[:start] + content[start : start + 200] * dice.randrange(2, 50) + content[start:]


def nest(_: bytes, dice: random.Random) -> bytes:
    """Open brackets that nobody closes, or that somebody does."""
    opened, closed = dice.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b"")))
    depth = dice.choice((10, 1_000, 100_000))
    return opened * depth + dice.choice((b"", b"1")) + closed * depth


def alias(_: bytes, dice: random.Random) -> bytes:
    """Write YAML of which little makes much."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, dice.randrange(2, 12))]
    return "\n".join(lines).encode()


def edit(content: bytes, dice: random.Random) -> bytes:
    """Give an entry of JSON or YAML another value, or take it away."""
    for read, write in ((json.loads, json.dumps), (yaml.safe_load, yaml.safe_dump)):
        try:
            whole = read(content.decode())
        except (ValueError, yaml.YAMLError, RecursionError):
            continue
        if isinstance(whole, dict | list) and whole:
            _edit_within(whole, dice)
            return bytes(write(whole), "utf-8")
    return flip(content, dice)


def _edit_within(place: Any, dice: random.Random) -> None:
    while True:
        name = dice.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inner = place[name]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.1:
            break
        place = inner
    if dice.random() < 0.2:
        del place[name]
    elif isinstance(inner, bool) or not isinstance(inner, int | float) or dice.random() < 0.5:
        place[name] = dice.choice(_VALUES)
    else:
        place[name] = inner + dice.choice((1, -1, 1e-9))


_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 2**63, 2**70, 1e308, float("nan"), float("inf")),
    *("", "x" * 1000, "${oc.env:HOME}", "../../x", "\ud800", [], {}, [[1]], {"a": {}}),
)


def exchange(content: bytes, dice: random.Random) -> bytes:
    """Exchange two entries of a list, rows of an array or ids of a table; who is who is another then."""
    try:
        return _exchanged(content, dice)
    except (ValueError, KeyError, TypeError, OSError, pa.ArrowException):
        return flip(content, dice)


def _exchanged(content: bytes, dice: random.Random) -> bytes:
    if content.startswith(b"\x93NUMPY"):
        array = np.load(io.BytesIO(content))
        order = _order(len(array), dice)
        return _as_npy(array[order])
    if content.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(content))
        name = dice.choice(table.column_names)
        moved = table[name].take(pa.array(_order(len(table), dice)))
        return _as_parquet(table.set_column(table.column_names.index(name), table.schema.field(name), moved))
    listed = json.loads(content)
    if not isinstance(listed, list):
        raise ValueError("no list")
    return json.dumps([listed[place] for place in _order(len(listed), dice)]).encode()


def _order(length: int, dice: random.Random) -> list[int]:
    order = list(range(length))
    a, b = dice.sample(order, 2)
    order[a], order[b] = b, a
    return order


def convert(content: bytes, dice: random.Random) -> bytes:
    """Write an array or a table of other types, shapes or rows, well formed."""
    try:
        return _converted(content, dice)
    except (ValueError, TypeError, OSError, pa.ArrowException):
        return flip_at_an_end(content, dice)


def _converted(content: bytes, dice: random.Random) -> bytes:
    if content.startswith(b"\x93NUMPY"):
        array = np.load(io.BytesIO(content))
        others = (array.T, array[:-1], array.ravel(), array[..., None], array[:0], array.astype(str))
        return _as_npy(dice.choice((*others, array.astype("f4"), array.astype("c8"), array.astype(">i8"))))
    table = pq.read_table(io.BytesIO(content))
    name = dice.choice(table.column_names)
    text = table.set_column(0, name, pa.array(["x" * dice.choice((1, 10_000))] * len(table)))
    empty = pa.nulls(len(table), pa.null())
    tables = (table.slice(1), table.drop_columns([name]), pa.concat_tables([table] * 50))
    return _as_parquet(dice.choice((*tables, text, table.set_column(0, table.column_names[0], empty))))


def swell(_: bytes, dice: random.Random) -> bytes:
    """Write few bytes that say many: an array's header, or a table that compresses well."""
    if dice.random() < 0.5:
        shape = dice.choice(((1 << 40, 3), (-1, 3), (1 << 62, 0), (3, 1 << 33)))
        header = repr(
            {"descr": dice.choice(("<i8", "|S9999", "<U999")), "fortran_order": False, "shape": shape}
        )
        padded = header.ljust(117).encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + b"\0" * 72
    one = pa.table({"user_id": ["u" * dice.choice((1, 1_000))], "user_index": [1]})
    return _as_parquet(one.take(pa.array(np.zeros(dice.choice((15, 1_000_000)), np.int64))))


def _as_npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _as_parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


_OF_ANY: tuple[Change, ...] = (flip, flip_at_an_end, cut, repeat)
_OF_TEXT: tuple[Change, ...] = (nest, alias, edit, edit, edit, edit, exchange)
_OF_TABLES: tuple[Change, ...] = (exchange, exchange, convert, convert, swell)


def changes_of(name: str) -> tuple[Change, ...]:
    """Return the ways to damage a file of this name."""
    if name.endswith((".json", ".yaml")):
        return _OF_ANY + _OF_TEXT
    return _OF_ANY + _OF_TABLES if name.endswith((".npy", ".parquet")) else _OF_ANY
