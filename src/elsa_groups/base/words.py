"""Short texts."""

from collections.abc import Sequence


def say_numbers(numbers: Sequence[int]) -> str:
    """Write increasing numbers, neighbours as a range.

    >>> say_numbers([1, 2, 3, 5])
    '1–3, 5'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in ranges)
