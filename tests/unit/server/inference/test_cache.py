"""The cache: which logits are kept, and for which row."""

from hypothesis import given
from hypothesis import strategies as st

from server.inference.cache import LogitsCache


def test_the_least_recently_used_row_is_dropped_first() -> None:
    """To read a row renews it; the row that was not read is dropped."""
    cache = LogitsCache(2)
    for name in (1, 2):
        cache.put((name,), [float(name)])
    assert cache.get((1,)) is not None
    cache.put((3,), [3.0])
    assert [True, False, True] == [cache.get((name,)) is not None for name in (1, 2, 3)]
    assert 2 == len(cache)


def test_a_cache_of_capacity_1_keeps_the_last_row() -> None:
    """The smallest cache is one, and it is true even while it is empty."""
    cache = LogitsCache(1)
    assert (True, 0) == (bool(cache), len(cache))
    for name in (1, 2):
        cache.put((name,), [float(name)])
    assert (None, [2.0]) == (cache.get((1,)), cache.get((2,)))


def test_a_cache_of_capacity_0_keeps_nothing() -> None:
    """A cache of capacity 0, the default, keeps nothing and is false."""
    cache = LogitsCache(0)
    cache.put((1,), [0.0])
    assert (False, 0, None) == (bool(cache), len(cache), cache.get((1,)))


ROWS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4).map(tuple)


@given(rows=st.lists(ROWS, max_size=20), capacity=st.integers(1, 5))
def test_a_row_is_never_answered_with_anothers_logits(rows: list[tuple[int, ...]], capacity: int) -> None:
    """After any puts, a row is answered with its own last logits or not at all, and the capacity holds."""
    cache = LogitsCache(capacity)
    for place, row in enumerate(rows):
        cache.put(row, [float(place)])
        assert len(cache) <= capacity
    latest = {row: place for place, row in enumerate(rows)}
    for row in rows:
        kept = cache.get(row)
        assert kept is None or kept == [latest[row]]
