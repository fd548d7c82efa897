"""Names of the sets of users that a parent's split makes, and of the ways to make it."""

from enum import StrEnum


class UserSet(StrEnum):
    """All users, or one part of the parent's split."""

    all = "all"
    train = "train"
    val = "val"
    test = "test"


class Splitting(StrEnum):
    """How users are drawn for each part: here, or as SAGEA's code draws them."""

    random = "random"
    sagea = "sagea"
