"""The cache: what was computed before."""

from hypothesis import given
from hypothesis import strategies as st

from server.inference.cache import LogitsCache


def test_the_least_recently_used_is_forgotten_first() -> None:
    """Reading a row keeps it; the one that nobody asked for goes."""
    cache = LogitsCache(2)
    for name in (1, 2):
        cache.put((name,), [float(name)])
    assert cache.get((1,)) is not None
    cache.put((3,), [3.0])
    assert [True, False, True] == [cache.get((name,)) is not None for name in (1, 2, 3)]
    assert 2 == len(cache)


def test_without_capacity_nothing_is_kept() -> None:
    """The default keeps nothing and is false."""
    cache = LogitsCache(0)
    cache.put((1,), [0.0])
    assert (False, 0, None) == (bool(cache), len(cache), cache.get((1,)))


ROWS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4).map(tuple)


@given(rows=st.lists(ROWS, max_size=20), capacity=st.integers(1, 5))
def test_a_row_is_never_answered_with_anothers_logits(rows: list[tuple[int, ...]], capacity: int) -> None:
    """Whatever is put, what is got was put for that very row, and the capacity holds."""
    cache = LogitsCache(capacity)
    for place, row in enumerate(rows):
        cache.put(row, [float(place)])
        assert len(cache) <= capacity
    latest = {row: place for place, row in enumerate(rows)}
    for row in rows:
        kept = cache.get(row)
        assert kept is None or kept == [latest[row]]
