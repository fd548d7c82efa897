"""The page of an evaluation: one HTML file like that of a groups run, without network and script."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsa_groups.commands.evaluate.leaders import Order
from elsa_groups.commands.evaluate.measures import COUPLED, DECOUPLED
from elsa_groups.commands.evaluate.tables import headlines, leaders_rows, sentences
from elsa_groups.report.cautions import Caution
from elsa_groups.report.page import open_template
from elsa_groups.report.pictures import Picture, fitting
from elsa_groups.report.tables import Row

_PROTOCOLS = {
    COUPLED: "coupled: by the held-out items of members",
    DECOUPLED: "decoupled: by the members' own scores",
}


def render_evaluation(
    record: Mapping[str, Any], *, orders: Sequence[Order], pictures: Sequence[Picture]
) -> str:
    """Return the page as HTML, the same for the same arguments.

    Parameters
    ----------
    record : mapping
        Of the evaluation.
    orders : sequence of Order
        Of every type and family, recommender and measure.
    pictures : sequence of Picture
        Figures.
    """
    shown = fitting(pictures)
    return open_template("evaluation.html.jinja", "commands/evaluate").render(
        record=record,
        cautions=evaluation_cautions(record),
        protocols=_PROTOCOLS,
        names=[order.name for order in headlines(orders)],
        rows=_by_name(leaders_rows(orders)),
        pictures=shown,
        n_more_pictures=len(pictures) - len(shown),
        first=orders[0].recommender,
        others=_of_others(orders),
    )


def _of_others(orders: Sequence[Order]) -> dict[str, dict[str, dict[str, str]]]:
    """Say which aggregators lead by every recommender but the first, where that one has intervals."""
    told = dict.fromkeys(order.recommender for order in orders if order.differences)
    return {name: sentences(orders, name) for name in told if name != orders[0].recommender}


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["groups_of"], []).append(row)
    return found


def evaluation_cautions(record: Mapping[str, Any]) -> tuple[Caution, ...]:
    """Return what a reader must know first: what has been seen of the held-out items, what is left out."""
    facts, found = record["facts"], []
    if facts["history"] != "inputs":
        text = (
            "Groups were drawn by full histories, held-out items among them, so groups know something of what"
            " their lists are judged by. Groups of history=inputs do not."
        )
        found.append(Caution("Groups have seen what is held out", text))
    if share := facts["trained_share"]:
        text = (
            f"{share:.0%} of the members were training users of the parent, whose item vectors have seen"
            " their whole histories. So it ranks their held-out items higher than EASE and ItemKNN do, and"
            " aggregators that serve each member's own first items, as FAI and MPL, gain most by that."
            " Groups of user_set=test have no such members."
        )
        found.append(Caution("The parent has seen what is held out", text))
    if "GFAR" in record["settings"]["aggregators"]:
        text = (
            "As in grouprec, GFAR counts the 20 best items of each member before seen items are excluded: few"
            " of them can be recommended, and its lists are worse than they need be. GFARUnseen counts them"
            " afterwards."
        )
        found.append(Caution("GFAR is at a disadvantage", text))
    found += [Caution(f"{name} is left out", f"{why}.") for name, why in record["left_out"].items()]
    reasons: dict[str, list[str]] = {}
    for key, reason in record["no_intervals"].items():
        reasons.setdefault(reason, []).append(key)
    found += [Caution(f"No intervals of {', '.join(keys)}", f"{why}.") for why, keys in reasons.items()]
    return tuple(found)
