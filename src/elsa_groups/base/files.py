"""Files: the same bytes for the same content on any platform, never seen half-written, and read with bounds.

What is read may be a stranger's: a reader takes no more memory and time than the size of its file says, and
what cannot be read is a ValueError of one line.
"""

import io
import json
import math
import os
import secrets
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray


def write_json(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write JSON as UTF-8 with a final newline; NaN and infinity, which JSON lacks, are refused."""
    text = json.dumps(content, ensure_ascii=False, indent=indent, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_yaml(path: Path, content: Any) -> None:
    """Write YAML as UTF-8, keys in their order."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8", newline="\n")


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
    """Return the content of a JSON file.

    Raises
    ------
    ValueError
        If it is no JSON, or nested too deeply to be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path.name}: nested too deeply to be read") from error


class _WithoutAliases(yaml.SafeLoader):  # type: ignore[misc]
    """A loader that refuses aliases, by which a short file could expand without end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node; an alias is an error."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases, which are not read")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file without aliases.

    Raises
    ------
    ValueError
        If it is no YAML, has aliases, or is nested too deeply to be read.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_WithoutAliases)
    except RecursionError as error:
        raise ValueError(f"{path.name}: nested too deeply to be read") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: expected YAML, got {' '.join(str(error).split())}") from error


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of one of numpy's files, without pickle.

    Raises
    ------
    ValueError
        If it is none, or its header speaks of more or less than there is.
    """
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = _HEADERS.get(version)
            if read_header is None:
                raise ValueError(f"format {version[0]}.{version[1]}")
            shape, _, dtype = read_header(file)
            there = os.fstat(file.fileno()).st_size - file.tell()
            if dtype.hasobject:
                raise ValueError("objects, which are not read")
            if math.prod(shape) * dtype.itemsize != there:
                raise ValueError(f"{dtype} of shape {shape} in {there:,} bytes")
            file.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, SyntaxError, TypeError, RecursionError, tokenize.TokenError) as error:
            # numpy parses a header as Python would.
            raise ValueError(f"{path.name}: expected an array, got {' '.join(str(error).split())}") from error
    return array


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
