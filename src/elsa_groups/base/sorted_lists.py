"""What ascending lists of integers have in common: compiled, for histories and for lists of items."""

from elsa_groups.base.compiled import compiled


@compiled()
def count_shared(items, start, stop, others, other_start, other_stop):
    """Count the numbers from 0 on in both of two ascending lists, parts of arrays, by one walk along both."""
    i, j, shared = start, other_start, 0
    while i < stop and j < other_stop:
        a, b = items[i], others[j]
        shared += (a == b) & (a >= 0)
        i += a <= b
        j += b <= a
    return shared


@compiled()
def holds(items, start, stop, item):
    """Whether an item is among ascending ones from start to before stop."""
    low, high = start, stop
    while low < high:
        middle = (low + high) >> 1
        if items[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < stop and items[low] == item
