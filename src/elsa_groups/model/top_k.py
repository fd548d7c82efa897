"""The k highest scores of many, as one pass finds them: the kernel of every ranking."""

from elsa_groups.base.compiled import compiled


@compiled()
def insert(scores, items, score, item):
    """Put an item in its place among the k best so far, whose worst then falls out.

    Parameters
    ----------
    scores : (k,) float
        Their scores, descending; -inf where there are fewer.
    items : (k,) int
        Their numbers.
    score : float
        Of the item. Only a higher score than the worst one's enters, so of equal ones the first stays, and
        -inf never enters.
    item : int
        Its number.
    """
    place = scores.shape[0] - 1
    if not score > scores[place]:
        return
    while place > 0 and score > scores[place - 1]:
        scores[place] = scores[place - 1]
        items[place] = items[place - 1]
        place -= 1
    scores[place] = score
    items[place] = item
