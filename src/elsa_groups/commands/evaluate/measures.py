"""What is measured of lists, one number each."""

from dataclasses import dataclass

LENGTH = 20
CUTOFFS = (10, 20)
COUPLED, DECOUPLED, LIST = "coupled", "decoupled", "list"
OVER_MEMBERS = ("mean", "min", "minmax", "jain")


@dataclass(frozen=True)
class ListMeasure:
    """One number a list.

    Attributes
    ----------
    protocol : str
        ``coupled``: by held-out items; ``decoupled``: by members' own scores; ``list``: by neither.
    metric : str
        ``ndcg_at_10`` and so on.
    over_members : str
        ``mean``, ``min``, ``minmax`` (min / max) or ``jain``; empty where a list has one value.
    """

    protocol: str
    metric: str
    over_members: str = ""

    @property
    def name(self) -> str:
        """All of it in one word."""
        return "/".join(part for part in (self.protocol, self.metric, self.over_members) if part)


PER_MEMBER = [f"{metric}_at_{k}" for metric in ("ndcg", "recall") for k in CUTOFFS]
MEASURED = (
    *(
        ListMeasure(protocol, metric, over)
        for protocol in (COUPLED, DECOUPLED)
        for metric in PER_MEMBER
        for over in OVER_MEMBERS
    ),
    *(ListMeasure(LIST, f"novelty_at_{k}") for k in CUTOFFS),
)
HEADLINES = tuple(ListMeasure(protocol, "ndcg_at_20", "mean") for protocol in (COUPLED, DECOUPLED))
