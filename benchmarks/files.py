"""Files in the formats of LastFM-1K and of the Taste Profile: seeded, streamed, of any number of lines."""

from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

LASTFM1K_LINES = 19_150_868
LASTFM1K_USERS = 992
TASTE_PROFILE_LINES = 48_373_586
TASTE_PROFILE_SONGS = 384_546

Numbers = NDArray[np.int64]

_ARTISTS = 107_000
_TRACKS_PER_ARTIST = 10
# shares of events with an empty artist id and with an empty track id, as in the published file
_NO_ARTIST_ID = 0.031
_NO_TRACK_ID = 0.113
_WORDS = ("The", "Björk", "Sigur", "Rós", '"Heroes"', "坂本龍一", "Motörhead", 'Say "Yes', "d'Été", "Кино")
_SYLLABLES = ("ba", "do", "fi", "ka", "lu", "mo", "ne", "ra", "so", "ti")
_USERS_AT_A_TIME = 20_000


def write_lastfm1k(path: Path, n_lines: int) -> None:
    """Write listening events, user after user and each from the latest on; the same lines every time.

    A user plays few artists often: of the published number of lines, distinct pairs of user and artist are
    about one in twenty. Of fewer than two million, there are fewer artists and users too.

    Parameters
    ----------
    path : Path
        File to make: user, time, artist id, artist name, track id and track name, tab-separated.
    n_lines : int
        Number of events.
    """
    rng = np.random.default_rng(1_000)
    n_artists = _capped(_ARTISTS, n_lines)
    artist_ids, artists = _uuids(rng, n_artists), _names(rng, n_artists)
    track_ids, tracks = _uuids(rng, n_artists * _TRACKS_PER_ARTIST), _names(rng, n_artists)
    cumulated = _cumulated(n_artists, shift=30.0, power=1.0)
    activity = rng.lognormal(sigma=1.1, size=_capped(LASTFM1K_USERS, n_lines))
    bounds = np.round(np.cumsum(activity) / activity.sum() * n_lines).astype(np.int64)
    with path.open("wb") as file:
        for user, count in enumerate(np.diff(bounds, prepend=0).tolist(), start=1):
            played = _plays(rng, count, cumulated)
            track = played * _TRACKS_PER_ARTIST + rng.integers(_TRACKS_PER_ARTIST, size=count)
            _append(
                file,
                user=pl.repeat(f"user_{user:06}", count, eager=True),
                time=_times(rng, count),
                artist_id=_partly(rng, artist_ids.gather(played), _NO_ARTIST_ID),
                artist=artists.gather(played),
                track_id=_partly(rng, track_ids.gather(track), _NO_TRACK_ID),
                track=tracks.gather(track % n_artists),
            )


def write_taste_profile(path: Path, n_lines: int) -> None:
    """Write triplets of distinct user and song with a play count; the same lines every time.

    Parameters
    ----------
    path : Path
        File to make: user, song and count, tab-separated.
    n_lines : int
        Number of triplets; of all that are published, about as many users as published.
    """
    rng = np.random.default_rng(48)
    n_songs, n_users = _capped(TASTE_PROFILE_SONGS, n_lines), _capped(_USERS_AT_A_TIME, n_lines)
    songs = _song_ids(rng, n_songs)
    cumulated = _cumulated(n_songs, shift=500.0, power=1.0)
    with path.open("wb") as file:
        while n_lines:
            lengths = 10 + np.round(rng.lognormal(2.53, 1.5, size=n_users)).astype(np.int64)
            users = np.repeat(np.arange(n_users), lengths)
            pairs = np.unique(users * n_songs + _drawn(rng, len(users), cumulated))[:n_lines]
            user, song = np.divmod(pairs, n_songs)
            _append(
                file,
                user=_hexadecimal(rng, n_users, 40).gather(user),
                song=songs.gather(song),
                count=pl.Series(rng.geometric(0.35, size=len(pairs))),
            )
            n_lines -= len(pairs)


def _append(file: IO[bytes], **columns: pl.Series) -> None:
    # a quote is just another character in both formats
    frame = pl.DataFrame(columns)
    frame.write_csv(file, include_header=False, separator="\t", quote_style="never")


def _plays(rng: np.random.Generator, count: int, cumulated: NDArray[np.float64]) -> Numbers:
    """Draw which artist each event of one user is of: few of the artists that the user knows, mostly."""
    known = np.unique(_drawn(rng, 2 + int(8.0 * count**0.5), cumulated))
    rng.shuffle(known)
    return known[(len(known) * rng.random(count) ** 2.5).astype(np.int64)]


def _times(rng: np.random.Generator, count: int) -> pl.Series:
    """Draw times of four years, latest first."""
    seconds = np.sort(rng.integers(1_108_000_000, 1_245_000_000, size=count))[::-1]
    return pl.Series(seconds * 1_000_000).cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%SZ")


def _partly(rng: np.random.Generator, values: pl.Series, missing: float) -> pl.Series:
    return values.set(pl.Series(rng.random(len(values)) < missing), None)


def _cumulated(size: int, *, shift: float, power: float) -> NDArray[np.float64]:
    """Return the cumulated popularity of ranks, by the law of Zipf and Mandelbrot."""
    cumulated: NDArray[np.float64] = np.cumsum((np.arange(size) + shift) ** -power)
    cumulated /= cumulated[-1]
    return cumulated


def _drawn(rng: np.random.Generator, count: int, cumulated: NDArray[np.float64]) -> Numbers:
    return np.minimum(np.searchsorted(cumulated, rng.random(count)), len(cumulated) - 1)


def _capped(size: int, n_lines: int) -> int:
    """Return a size, or less in a short file, so that its ids repeat too."""
    return min(size, 1 + n_lines // 20)


def _uuids(rng: np.random.Generator, count: int) -> pl.Series:
    digits = _hexadecimal(rng, count, 32)
    parts = (digits.str.slice(start, size) for start, size in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12)))
    return pl.select(pl.concat_str(*parts, separator="-")).to_series()


def _song_ids(rng: np.random.Generator, count: int) -> pl.Series:
    letters = _characters(rng, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", count, 5)
    digits = _hexadecimal(rng, count, 8).str.to_uppercase()
    return pl.select(pl.concat_str(pl.lit("SO"), letters, pl.lit("12A"), digits)).to_series()


def _hexadecimal(rng: np.random.Generator, count: int, length: int) -> pl.Series:
    return _characters(rng, "0123456789abcdef", count, length)


def _characters(rng: np.random.Generator, alphabet: str, count: int, length: int) -> pl.Series:
    """Draw strings of one length, distinct but for chance."""
    letters = np.frombuffer(alphabet.encode(), np.uint8)
    drawn = letters[rng.integers(len(letters), size=(count, length), dtype=np.uint8)]
    return pl.Series(drawn.view(f"S{length}").ravel().astype(str))


def _names(rng: np.random.Generator, count: int) -> pl.Series:
    """Draw names of two words, some with quotes and letters beyond ASCII."""
    made = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in _SYLLABLES]
    words = pl.Series([*_WORDS * 20, *made])
    columns = (words.gather(rng.integers(len(words), size=count)) for _ in range(2))
    return pl.select(pl.concat_str(*columns, separator=" ")).to_series()
