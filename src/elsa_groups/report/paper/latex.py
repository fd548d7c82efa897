r"""The LaTeX table of a paper: group types beside random groups."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from elsa_groups.measures.registry import MEASURES, Measure
from elsa_groups.report.paper.types import type_names
from elsa_groups.report.tables import Row

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
} | {letter: f"\\{letter}" for letter in "{}$&#_%"}
_UNDEFINED = "--"
_TABLE = r"""% Needs \usepackage{booktabs} and, for other letters than ASCII, UTF-8.
\begin{table*}
  \centering
  \small
  \caption{%(caption)s}
  \label{tab:groups}
  \begin{tabular}{%(columns)s}
    \toprule
%(rows)s
    \bottomrule
  \end{tabular}
\end{table*}
"""


def escape_latex(text: str) -> str:
    r"""Return a text of anybody's as LaTeX that shows it as it is, on one line, without control characters.

    >>> escape_latex("50% of A_1 & B")
    '50\\% of A\\_1 \\& B'
    """
    line = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cf") else c for c in text).split())
    return "".join(_SPECIAL.get(letter, letter) for letter in line)


def groups_table(record: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return a table of group types beside random groups, for the package booktabs.

    Of each measure of the report's page that any type has: the mean over the groups, its 95% confidence
    interval where there is one, and the mean of random groups of as many users.

    Parameters
    ----------
    record : mapping
        Of the lineage record: data and settings.
    rows : sequence of Row
        Summary rows, one a type.
    """
    measures = [
        measure for measure in MEASURES if measure.on_page and any(f"{measure.name}_mean" in r for r in rows)
    ]
    names = type_names(record["settings"]["families"])
    lines = _heading(measures)
    lines += [_line([escape_latex(names[row["key"]]), *_cells(row, measures)]) for row in rows]
    return _TABLE % {
        "caption": _caption(record, rows),
        "columns": "lrr" + "lr" * len(measures),
        "rows": "\n".join(f"    {line}" for line in lines),
    }


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heading(measures: Sequence[Measure]) -> list[str]:
    spans = [rf"\multicolumn{{2}}{{c}}{{{escape_latex(measure.label)}}}" for measure in measures]
    rules = [rf"\cmidrule(lr){{{column}-{column + 1}}}" for column in range(4, 4 + 2 * len(measures), 2)]
    titles = ["Group type", "Groups", r"Wrong pair (\%)", *["Mean", "Random"] * len(measures)]
    return [_line(["", "", "", *spans]), " ".join(rules), _line(titles), r"\midrule"]


def _cells(row: Row, measures: Sequence[Measure]) -> list[str]:
    cells = [str(row["groups"]), f"{100 * row['wrong_pair_share']:.1f}"]
    for measure in measures:
        mean, low, high = (_number(row, measure, end) for end in ("mean", "low", "high"))
        interval = f" [{low}, {high}]" if f"{measure.name}_low" in row else ""
        cells += [mean + interval, _number(row, measure, "random")]
    return cells


def _number(row: Row, measure: Measure, end: str) -> str:
    value = row.get(f"{measure.name}_{end}")
    return _UNDEFINED if value is None else measure.format.format(value).replace("-", "$-$")


def _caption(record: Mapping[str, Any], rows: Sequence[Row]) -> str:
    intervals = any(name.endswith("_low") for row in rows for name in row)
    return (
        f"Groups of users of {escape_latex(record['data']['dataset'])}: the mean over the groups of each type"
        + (r" with its 95\% confidence interval" if intervals else "")
        + ", beside the mean of random groups of as many users. Wrong pair: groups that hold at least one"
        " pair of members on the wrong side of its threshold."
    )
