"""The rounds of several measurements alternate over the whole run."""

from collections.abc import Callable, Sequence

from benchmarks.figures.rounds import Rounds, alternate


class Record:
    """The order of the measurements, and a clock that runs only during them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.now_s = 0.0

    def measure(self, name: str, *seconds: float) -> Callable[[], None]:
        """Return a function that measures a round in the next of these times; the last one repeats."""

        def round_() -> None:
            self.now_s += seconds[min(self.names.count(name), len(seconds) - 1)]
            self.names.append(name)

        return round_

    def alternate(self, *measurements: Rounds) -> Sequence[str]:
        """Do all rounds and return their order."""
        alternate(measurements, clock=lambda: self.now_s)
        return self.names


def test_measurements_of_the_same_length_alternate() -> None:
    """No measurement has two rounds in a row."""
    record = Record()
    names = record.alternate(*(Rounds(record.measure(name, 1.0), seconds=3.0) for name in "abc"))
    assert "abcabcabc" == "".join(names)


def test_short_rounds_are_spread_between_long_ones() -> None:
    """Both take the same total time over the whole run."""
    record = Record()
    names = record.alternate(
        Rounds(record.measure("a", 1.0), seconds=16.0), Rounds(record.measure("b", 4.0), seconds=16.0)
    )
    assert "abaaaaabaaaabaaaabaa" == "".join(names)


def test_a_single_round_is_done_in_the_middle() -> None:
    """A measurement with a fixed number of rounds is spread around it."""
    record = Record()
    names = record.alternate(
        Rounds(record.measure("o", 50.0)),
        Rounds(record.measure("c", 3.0), cycle=3),
        Rounds(record.measure("a", 1.0), seconds=10.0),
    )
    assert "aacaaaocaaacaa" == "".join(names)


def test_a_cycle_is_always_finished() -> None:
    """Even if rounds become slower, so that every side is first equally often."""
    record = Record()
    names = record.alternate(Rounds(record.measure("a", 1.0, 1.0, 1.0, 1.0, 9.0), cycle=4, seconds=8.0))
    assert 8 == len(names)


def test_the_number_of_cycles_comes_closest_to_the_time() -> None:
    """Two cycles of 5 s for 8 s, one of 6 s, and one of any length at least."""
    record = Record()
    names = record.alternate(
        Rounds(record.measure("a", 1.25), cycle=4, seconds=8.0),
        Rounds(record.measure("b", 1.5), cycle=4, seconds=8.0),
        Rounds(record.measure("c", 60.0), cycle=4, seconds=8.0),
    )
    assert [8, 4, 4] == [names.count(name) for name in "abc"]


def test_a_run_reports_its_progress() -> None:
    """From 0 to 1, before every round."""
    record, reported = Record(), list[float]()
    alternate([Rounds(record.measure("a", 1.0), seconds=4.0)], clock=lambda: record.now_s, report=reported.append)
    assert [0.0, 0.375, 0.625, 0.875] == reported
