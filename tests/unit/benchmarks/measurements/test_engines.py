"""Engines and cases alternate fairly, and a disturbed turn does not decide a ratio."""

from collections.abc import Mapping, Sequence
from typing import cast

import pytest

pytest.importorskip("psutil")

from benchmarks.figures.rounds import FULL, QUICK, Effort, alternate
from benchmarks.measurements import engines
from benchmarks.measurements.engine_cases import EngineCase, mixed_case, uniform_case
from benchmarks.measurements.engines import Contest, EngineSpeed
from benchmarks.processes.loop_child import ARTIFACT, ENGINES, TORCH
from benchmarks.processes.loops import Batches, EngineLoop

pytestmark = pytest.mark.development

CASE = uniform_case(1, 1, vocabulary=100)


class FakeLoop:
    """Reports given times for its turns and records the engine and the text length of each."""

    def __init__(self, name: str, seconds: float, turns: "Turns", spoiled: int) -> None:
        self.name, self.turn_s, self.turns, self.spoiled = name, seconds, turns, spoiled
        self.token_s = 0.001 if name == ARTIFACT else 0.0

    def seconds(self, batches: Batches, seconds: float) -> float:
        """Take a turn."""
        self.turns.append((self.name, len(batches[0][0])))
        texts = sum(len(batch) for batch in batches)
        tokens = sum(len(row) for batch in batches for row in batch)
        mine = sum(name == self.name for name, _ in self.turns)
        spoiled = 3 if self.spoiled and mine % self.spoiled == 0 else 1
        taken = (self.turn_s * texts + self.token_s * tokens) * spoiled
        self.turns.clock_s += max(taken, seconds)
        return taken


class Turns(list[tuple[str, int]]):
    """The turns so far, and a clock that runs only during them."""

    clock_s = 0.0


def compare(
    cases: Sequence[EngineCase], effort: Effort = FULL, turns: Turns | None = None, spoiled: int = 0
) -> list[EngineSpeed]:
    """Compare fake engines: the artifact takes 1 ms a token, PyTorch 6 ms and the others 2 ms a text."""
    turns = Turns() if turns is None else turns
    took = dict.fromkeys(ENGINES, 0.002) | {ARTIFACT: 0.0, TORCH: 0.006}
    fakes = {name: FakeLoop(name, took[name], turns, spoiled if name == ARTIFACT else 0) for name in ENGINES}
    contests = [Contest(cast(Mapping[str, EngineLoop], fakes), case, effort) for case in cases]
    alternate([contest.rounds for contest in contests], clock=lambda: turns.clock_s)
    return [speed for contest in contests for speed in contest.speeds()]


def test_every_engine_has_every_place_equally_often() -> None:
    """A machine that becomes slower favours none. The first turn of each does not count."""
    turns = Turns()
    speeds = compare([CASE], turns=turns)
    counted = [name for name, _ in turns[len(ENGINES) :]]
    places = [counted[place :: len(ENGINES)] for place in range(len(ENGINES))]
    assert all(place.count(engine) == places[0].count(engine) for place in places for engine in ENGINES)
    assert speeds[0].rounds == len(counted) / len(ENGINES) >= len(ENGINES)


def test_every_case_is_measured_over_the_whole_run() -> None:
    """A disturbance costs each case a few rounds, and none all of them."""
    turns, lengths = Turns(), (1, 60, 2000)
    compare([uniform_case(length, 1, vocabulary=100) for length in lengths], turns=turns)
    rounds = [length for name, length in turns if name == ARTIFACT][len(lengths) :]
    quarters = [rounds[len(rounds) * part // 4 : len(rounds) * (part + 1) // 4] for part in range(4)]
    for length in lengths:
        assert pytest.approx([0.25] * 4, abs=0.05) == [part.count(length) / rounds.count(length) for part in quarters]


def test_every_case_gets_the_same_time_so_short_ones_get_more_rounds() -> None:
    """A case that needs longer, such as texts of 20 s, gets one round per order of the engines."""
    turns, lengths = Turns(), (1, 400, 20_000)
    speeds = compare([uniform_case(length, 1, vocabulary=100) for length in lengths], turns=turns)
    rounds = [speed.rounds for speed in speeds if speed.engine == ARTIFACT]
    spent = [
        count * (3 * engines._TURN_S + max(engines._TURN_S, 0.001 * length))
        for count, length in zip(rounds, lengths, strict=True)
    ]
    assert pytest.approx([engines._CASE_S] * 2, rel=0.2) == spent[:2]
    assert (rounds[0] > 2 * rounds[1], rounds[2]) == (True, len(ENGINES))


def test_a_quick_run_has_one_round_of_each_case() -> None:
    """It only shows that everything works."""
    cases = [uniform_case(100, 1, vocabulary=100), mixed_case("mix", [[7] * 99] * 9, 8)]
    assert {1} == {speed.rounds for speed in compare(cases, QUICK)}


def test_a_ratio_is_that_of_the_artifact_over_the_engine() -> None:
    """Texts per second come from the times of the turns."""
    speeds = {speed.engine: speed for speed in compare([CASE])}
    assert pytest.approx(6) == speeds[TORCH].ratio.estimate
    assert pytest.approx(1000) == speeds[ARTIFACT].texts_per_s


def test_the_ratio_of_a_mix_is_that_of_its_whole_time() -> None:
    """Even if the ratio depends on the length: no text is left out because of its ratio."""
    lengths = [1, 1, 1, 1, 21]
    case = mixed_case("mix", [[7] * length for length in lengths], 1)
    speeds = {speed.engine: speed for speed in compare([case])}
    assert pytest.approx(0.006 * len(lengths) / (0.001 * sum(lengths))) == speeds[TORCH].ratio.estimate
    assert pytest.approx(len(lengths) / (0.001 * sum(lengths))) == speeds[ARTIFACT].texts_per_s


def test_disturbed_turns_do_not_change_a_ratio() -> None:
    """Other processes used the caches in one of four rounds."""
    speeds = {speed.engine: speed for speed in compare([CASE], spoiled=4)}
    assert pytest.approx(6) == speeds[TORCH].ratio.estimate
