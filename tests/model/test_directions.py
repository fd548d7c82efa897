import numpy as np
import pytest

from elsa_groups.model.vectors import directions


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_of_any_length_become_unit_rows_and_zeros_have_no_direction(kind):
    rng = np.random.default_rng(1)
    vectors = (rng.normal(size=(40, 24)) * 10.0 ** rng.integers(-15, 15, (40, 1))).astype(kind)
    vectors[7] = 0
    units, has_direction = directions(vectors)
    assert units.dtype == np.float32
    assert np.flatnonzero(~has_direction).tolist() == [7]
    wide = vectors.astype(np.float64)[has_direction]
    expected = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    # Rounded to float32 once.
    np.testing.assert_allclose(units[has_direction], expected, rtol=2**-23, atol=0)


def test_unit_rows_stay_as_they_are():
    once, _ = directions(np.random.default_rng(2).normal(size=(2_000, 64)))
    again, has_direction = directions(once)
    assert has_direction.all()
    assert again.tobytes() == once.tobytes()
    longer, _ = directions(once * np.float32(1.001))
    assert longer.tobytes() != once.tobytes()
