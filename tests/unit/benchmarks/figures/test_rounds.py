"""Measurements do their rounds in between each other, each from the beginning to the end."""

from collections.abc import Callable, Sequence

from benchmarks.figures.rounds import Rounds, spread


class Record:
    """Who was measured, in order, and a clock that goes on only meanwhile."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.now_s = 0.0

    def measure(self, name: str, *seconds: float) -> Callable[[], None]:
        """Return what measures a round, which takes so long; each later one takes as long as the last."""

        def round_() -> None:
            self.now_s += seconds[min(self.names.count(name), len(seconds) - 1)]
            self.names.append(name)

        return round_

    def spread(self, *measurements: Rounds) -> Sequence[str]:
        """Do all rounds and return whose they were."""
        spread(measurements, clock=lambda: self.now_s)
        return self.names


def test_measurements_of_the_same_length_alternate() -> None:
    """Nobody is measured twice before the others have been."""
    record = Record()
    names = record.spread(*(Rounds(record.measure(name, 1.0), seconds=3.0) for name in "abc"))
    assert "abcabcabc" == "".join(names)


def test_short_rounds_are_spread_between_long_ones() -> None:
    """Both take the same time, and both begin and end with the run."""
    record = Record()
    names = record.spread(
        Rounds(record.measure("a", 1.0), seconds=16.0), Rounds(record.measure("b", 4.0), seconds=16.0)
    )
    assert "abaaaaabaaaabaaaabaa" == "".join(names)


def test_what_is_done_once_is_done_in_the_middle() -> None:
    """And a measurement of a given number of rounds, however long they are, is spread around it."""
    record = Record()
    names = record.spread(
        Rounds(record.measure("o", 50.0)),
        Rounds(record.measure("c", 3.0), cycle=3),
        Rounds(record.measure("a", 1.0), seconds=10.0),
    )
    assert "aacaaaocaaacaa" == "".join(names)


def test_a_cycle_is_always_finished() -> None:
    """Also where rounds take longer than planned, so that everybody is first equally often."""
    record = Record()
    names = record.spread(Rounds(record.measure("a", 1.0, 1.0, 1.0, 1.0, 9.0), cycle=4, seconds=8.0))
    assert 8 == len(names)


def test_there_is_at_least_one_cycle_and_no_more_than_come_close_to_the_time() -> None:
    """Two cycles of 5 s are nearer to 8 s than one is, and one of 6 s nearer than two."""
    record = Record()
    names = record.spread(
        Rounds(record.measure("a", 1.25), cycle=4, seconds=8.0),
        Rounds(record.measure("b", 1.5), cycle=4, seconds=8.0),
        Rounds(record.measure("c", 60.0), cycle=4, seconds=8.0),
    )
    assert [8, 4, 4] == [names.count(name) for name in "abc"]


def test_the_run_tells_how_far_it_is() -> None:
    """From 0 to 1, before every round."""
    record, told = Record(), list[float]()
    spread([Rounds(record.measure("a", 1.0), seconds=4.0)], clock=lambda: record.now_s, tell=told.append)
    assert [0.0, 0.375, 0.625, 0.875] == told
