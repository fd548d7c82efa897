"""Text artifacts: the same bytes for the same content, on any platform."""

import json
from pathlib import Path
from typing import Any

import yaml


def write_json(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write JSON as UTF-8 with a final newline; NaN and infinity, which JSON lacks, are refused."""
    text = json.dumps(content, ensure_ascii=False, indent=indent, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_yaml(path: Path, content: Any) -> None:
    """Write YAML as UTF-8, keys in their order."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8", newline="\n")
