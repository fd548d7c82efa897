"""Files: the same bytes for the same content on any platform, and never seen half-written."""

import io
import json
import os
import secrets
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
