r"""The LaTeX table of a paper: group types beside random groups."""

import unicodedata
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from elsa_groups.measures.registry import MEASURES, Measure
from elsa_groups.report.paper.types import ruled_families, type_names
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
# What the caption says of measures whose definition names what only this program has.
_DEFINITIONS = {
    "similarity": "mean over the pairs of members",
    "recommendation_overlap_at_20": "share of their first 20 recommended items that two members have in"
    " common, mean over the pairs",
}
_TABLE = Template(r"""% Needs \usepackage{booktabs}
\begin{table*}
  \centering
  \small
  \caption{$caption}
  \label{tab:groups}
  \begin{tabular}{$columns}
    \toprule
$rows
    \bottomrule
  \end{tabular}
\end{table*}
""")


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
    families = record["settings"]["families"]
    names, ruled = type_names(families), type_names(ruled_families(families))
    lines = _heading(measures)
    for row in rows:
        wrong = f"{100 * row['wrong_pair_share']:.1f}" if row["key"] in ruled else _UNDEFINED
        lines.append(
            _line([escape_latex(names[row["key"]]), str(row["groups"]), wrong, *_cells(row, measures)])
        )
    return _TABLE.substitute(
        caption=_caption(record, rows, measures),
        columns="lrr" + "lr" * len(measures),
        rows="\n".join(f"    {line}" for line in lines),
    )


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heading(measures: Sequence[Measure]) -> list[str]:
    spans = [rf"\multicolumn{{2}}{{c}}{{{escape_latex(measure.label)}}}" for measure in measures]
    rules = [rf"\cmidrule(lr){{{column}-{column + 1}}}" for column in range(4, 4 + 2 * len(measures), 2)]
    titles = ["Group type", "Groups", r"Wrong pair (\%)", *["Mean", "Random"] * len(measures)]
    return [_line(["", "", "", *spans]), " ".join(rules), _line(titles), r"\midrule"]


def _cells(row: Row, measures: Sequence[Measure]) -> list[str]:
    cells = []
    for measure in measures:
        mean, low, high = (_number(row, measure, end) for end in ("mean", "low", "high"))
        interval = f" [{low}, {high}]" if f"{measure.name}_low" in row else ""
        cells += [mean + interval, _number(row, measure, "random")]
    return cells


def _number(row: Row, measure: Measure, end: str) -> str:
    value = row.get(f"{measure.name}_{end}")
    return _UNDEFINED if value is None else measure.format.format(value).replace("-", "$-$")


def _caption(record: Mapping[str, Any], rows: Sequence[Row], measures: Sequence[Measure]) -> str:
    told = [f"{m.label.capitalize()}: {_DEFINITIONS.get(m.name, m.definition)}." for m in measures]
    intervals = any(name.endswith("_low") for row in rows for name in row)
    return (
        f"Groups of users of {escape_latex(record['data']['dataset'])}: the mean over the groups of each type"
        + (r" with its 95\% confidence interval" if intervals else "")
        + ", beside the mean of random groups of as many users. Wrong pair: groups that hold at least one"
        f" pair of members on the wrong side of its threshold. {escape_latex(' '.join(told))}"
    )
