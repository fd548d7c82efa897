"""Names of the sets of users that a parent's split makes."""

from enum import StrEnum


class UserSet(StrEnum):
    """All users, or one part of the parent's split."""

    all = "all"
    train = "train"
    val = "val"
    test = "test"
