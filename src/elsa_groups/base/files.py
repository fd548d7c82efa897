"""Files of artifacts: the same bytes for the same content, on any platform."""

import io
import json
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
