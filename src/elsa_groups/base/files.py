"""Files: the same bytes for the same content on any platform, never seen half-written, and read with bounds.

What is read may be a stranger's: a reader takes no more memory and time than the size of its file says, and
what cannot be read is a ValueError of one line.
"""

import io
import json
import math
import os
import re
import secrets
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import yaml
from numpy.typing import NDArray


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, its lines as they are."""
    path.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write JSON as UTF-8 with a final newline; NaN and infinity, which JSON lacks, are refused."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=indent, allow_nan=False) + "\n")


def write_yaml(path: Path, content: Any) -> None:
    """Write YAML as UTF-8, keys in their order."""
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as numpy's file, without pickle; the buffer takes its memory once more."""
    # numpy writes files past Python, and says nothing of why it could not.
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    path.write_bytes(buffer.getbuffer())


def temporary_name(target: Path) -> Path:
    """Return a name beside `target` that no other process or thread will choose."""
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary name to write to, which becomes `target` at the end, or is removed on an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = temporary_name(target)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file: what :func:`write_json` could have written, and nothing else.

    Raises
    ------
    ValueError
        If it is no JSON, nested too deeply to be read, or holds NaN, infinity, a whole number beyond 64 bits
        or half a character.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_whole_number)
        if _HALF_CHARACTER.search(text):
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{path.name}: expected text, got half a character") from error
    except RecursionError as error:
        raise ValueError(f"{path.name}: nested too deeply to be read") from error
    return content


# Two escapes make a character beyond the first 65,536; one of them alone makes none.
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
# Nothing that is written here has more: seeds have 64 bits.
_LARGEST = 1 << 64


def _number(text: str) -> float:
    """Return a number of JSON, which has no NaN and no infinity; Python reads 1e999 as one, too."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"expected numbers, got {text:.20}")
    return number


def _whole_number(text: str) -> int:
    """Return a whole number that arrays and printing can do with."""
    if len(text) > len(str(_LARGEST)) + 1 or abs(int(text)) >= _LARGEST:
        raise ValueError(f"expected numbers of at most 64 bits, got {text:.20}...")
    return int(text)


class _WithoutAliases(yaml.SafeLoader):  # type: ignore[misc]
    """A loader that refuses aliases, by which a short file could expand without end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node; an alias is an error."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases, which are not read")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file without aliases, of values that JSON has, too.

    Raises
    ------
    ValueError
        If it is no YAML, has aliases, is nested too deeply to be read, or holds anything but texts, numbers,
        truth values, lists and mappings.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_WithoutAliases)
        _check_plain(content)
    except RecursionError as error:
        raise ValueError(f"{path.name}: nested too deeply to be read") from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        # What a tag such as !!int is written before need not be one.
        raise ValueError(f"{path.name}: expected YAML, got {' '.join(str(error).split())}") from error
    return content


def _check_plain(value: Any) -> None:
    """Refuse what YAML has and records have not: dates, bytes, sets, NaN, numbers without end."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_plain(name)
            _check_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_plain(inner)
    elif isinstance(value, str):
        value.encode()
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the number {value}")
    elif isinstance(value, int) and abs(value) >= _LARGEST:
        raise ValueError("a number beyond 64 bits")
    elif value is not None and not isinstance(value, int | float):
        raise ValueError(f"a {type(value).__name__}")


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of one of numpy's files, without pickle.

    Raises
    ------
    ValueError
        If it is none, or its header speaks of more or less than there is.
    """
    with path.open("rb") as file:
        try:
            _check_array(file)
            file.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except _NO_ARRAY as error:
            raise ValueError(f"{path.name}: expected an array, got {' '.join(str(error).split())}") from error
    return array


def _check_array(file: BinaryIO) -> None:
    """Refuse a file whose header speaks of another array than its bytes are."""
    version = np.lib.format.read_magic(file)
    read_header = _HEADERS.get(version)
    if read_header is None:
        raise ValueError(f"format {version[0]}.{version[1]}")
    try:
        shape, _, dtype = read_header(file)
    except MemoryError as error:
        # What Python says of brackets and signs nested too deeply; a header is no larger than 64 kB.
        raise ValueError("a header that cannot be read") from error
    there = os.fstat(file.fileno()).st_size - file.tell()
    if dtype.hasobject:
        raise ValueError("objects, which are not read")
    if not all(0 <= length < _LONGEST for length in shape) or math.prod(shape) * dtype.itemsize != there:
        raise ValueError(f"{dtype} of shape {shape} in {there:,} bytes")


# Beyond it numpy itself cannot count; where another length is 0, such an array takes no bytes.
_LONGEST = 1 << 48
# numpy parses a header as Python would.
_NO_ARRAY = (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, tokenize.TokenError)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
