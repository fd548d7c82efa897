import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from elsa_groups.base.philox import block, philox, stream_key, uniform_below

# Known answers published with Random123, philox4x32 10 rounds: counter, key, words.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
words32 = st.integers(0, 2**32 - 1)


def _compiled_philox(counter, key):
    return tuple(int(word) for word in philox(*(np.uint64(c) for c in counter), np.uint64(key)))


def _compiled_below(n, draw, group, key):
    word = block(draw, group, 0, np.uint64(key))[draw % 4]
    return int(uniform_below(np.uint64(word), n, draw, group, np.uint64(key)))


def _integers(text):
    return tuple(int(word, 16) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_published_known_answers(counter, key, words):
    low, high = _integers(key)

    assert _compiled_philox(_integers(counter), high << 32 | low) == _integers(words)


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_plain_philox_of_these_tests_gives_the_published_known_answers(counter, key, words, philox_words):
    low, high = _integers(key)

    assert philox_words(_integers(counter), high << 32 | low) == _integers(words)


@settings(deadline=None)
@given(counter=st.tuples(words32, words32, words32, words32), key=st.integers(0, 2**64 - 1))
def test_philox_equals_plain_integers(counter, key, philox_words):
    assert _compiled_philox(counter, key) == philox_words(counter, key)


@settings(deadline=None)
@given(
    draw=st.integers(0, 2**33),
    group=st.integers(0, 2**40),
    retry=st.integers(0, 100),
    key=st.integers(0, 2**64 - 1),
)
def test_block_places_draw_retry_and_group_in_the_counter(draw, group, retry, key, philox_words):
    counter = draw // 4, retry, group % 2**32, group // 2**32

    assert tuple(map(int, block(draw, group, retry, np.uint64(key)))) == philox_words(counter, key)


@pytest.mark.parametrize("draw", [2**34, 2**34 + 5, 3 * 2**40 + 1])
def test_draws_beyond_a_word_have_counters_of_their_own(draw, philox_words):
    low, high = (draw // 4) & 0xFFFFFFFF, (draw // 4) >> 32
    expected = philox_words((low, high << 16, 7, 0), 11)
    assert tuple(int(word) for word in block(draw, 7, 0, np.uint64(11))) == expected
    assert tuple(block(draw % 2**34, 7, 0, np.uint64(11))) != tuple(block(draw, 7, 0, np.uint64(11)))


def test_four_draws_share_a_block_and_the_fifth_has_another():
    key = np.uint64(5)

    assert block(8, 1, 0, key) == block(11, 1, 0, key)
    assert block(8, 1, 0, key) != block(12, 1, 0, key)


@settings(max_examples=300, deadline=None)
@given(
    n=st.one_of(st.integers(1, 2**32 - 1), st.integers(1, 100)),
    draw=st.integers(0, 10**6),
    group=st.integers(0, 10**6),
)
def test_uniform_below_equals_plain_rejection_and_keeps_its_range(n, draw, group, plain_below):
    number = _compiled_below(n, draw, group, 99)

    assert 0 <= number < n
    assert number == plain_below(n, draw, group, 99)


def test_uniform_below_one_is_zero():
    assert {_compiled_below(1, draw, 0, 3) for draw in range(100)} == {0}


@pytest.mark.parametrize("n", [3 * 2**30, 2**31 + 1, 2**32 - 1])
def test_uniform_below_equals_plain_rejection_where_words_are_rejected(n, plain_below):
    draws = range(4000)

    numbers = [_compiled_below(n, draw, 7, 2**63 + 11) for draw in draws]

    assert numbers == [plain_below(n, draw, 7, 2**63 + 11) for draw in draws]


def test_a_quarter_of_the_words_is_replaced_below_three_quarters_of_the_range():
    n = 3 * 2**30
    key = np.uint64(17)
    draws = 8000

    kept = [
        _compiled_below(n, draw, 0, 17) == int(block(draw, 0, 0, key)[draw % 4]) * n >> 32
        for draw in range(draws)
    ]

    # Standard error 0.0048.
    assert np.mean(kept) == pytest.approx(0.75, abs=0.02)


def test_uniform_below_is_unbiased_where_a_plain_multiplication_is_not():
    # Without rejection every third number of 3 * 2**30 would come up twice as often as the others.
    n = 3 * 2**30

    thirds = [_compiled_below(n, draw, 1, 17) % 3 for draw in range(9000)]

    assert chisquare(np.bincount(thirds, minlength=3)).pvalue > 1e-4


@pytest.mark.parametrize("n", [2, 3, 7, 10, 100])
def test_uniform_below_hits_every_number_equally_often(n):
    by_draw = [_compiled_below(n, draw, 0, 4) for draw in range(10_000)]
    by_group = [_compiled_below(n, 0, group, 4) for group in range(10_000)]

    assert chisquare(np.bincount(by_draw, minlength=n)).pvalue > 1e-4
    assert chisquare(np.bincount(by_group, minlength=n)).pvalue > 1e-4


def test_consecutive_draws_are_independent():
    numbers = np.array([_compiled_below(5, draw, 0, 8) for draw in range(20_000)])
    pairs = numbers[::2] * 5 + numbers[1::2]

    assert chisquare(np.bincount(pairs, minlength=25)).pvalue > 1e-4


def test_stream_key_never_changes():
    # First 8 bytes, little endian, of the SHA-256 of "7", "groups", "similar_3" joined by 0x1f.
    assert int(stream_key(7, "groups", "similar_3")) == 13652392966441214346
    assert stream_key(7, "groups", "similar_3").dtype == np.uint64


def test_stream_key_differs_by_seed_and_by_name():
    keys = [
        stream_key(seed, *names)
        for seed in (0, 1, -1, 2**40)
        for names in ((), ("groups",), ("groups", "a_3"), ("groups", "a_5"), ("baseline", "a_3"), ("ab", "c"))
    ]
    keys.append(stream_key(0, "a", "bc"))

    assert len(set(map(int, keys))) == len(keys)
