"""Engines take turns fairly, and a spoiled turn does not decide a ratio."""

from collections.abc import Mapping
from typing import cast

import pytest

pytest.importorskip("psutil")

from benchmarks import engines
from benchmarks.effort import Effort
from benchmarks.engine_loop import typical
from benchmarks.engines import ARTIFACT, ENGINES, TORCH, Batches, EngineLoop, compare_engines, mixed_case, uniform_case

pytestmark = pytest.mark.development

CASE = uniform_case(1, 1, vocabulary=100)
AT_ONCE = Effort(rounds=1, seconds=0.0, scale=0.0)


class FakeLoop:
    """Says that its turns took what it is told, and writes down that it had one."""

    def __init__(self, name: str, seconds: float, turns: list[str], spoiled: int = 0) -> None:
        self.name, self.turn_s, self.turns, self.spoiled = name, seconds, turns, spoiled
        self.token_s = 0.001 if name == ARTIFACT else 0.0

    def seconds(self, batches: Batches, seconds: float) -> float:
        """Take a turn."""
        self.turns.append(self.name)
        texts = sum(len(batch) for batch in batches)
        tokens = sum(len(row) for batch in batches for row in batch)
        spoiled = 3 if self.spoiled and self.turns.count(self.name) % self.spoiled == 0 else 1
        return (self.turn_s * texts + self.token_s * tokens) * spoiled


def loops(turns: list[str], spoiled: int = 0) -> Mapping[str, EngineLoop]:
    """Return engines of which the artifact takes 1 ms a token and PyTorch 6 a text."""
    took = dict.fromkeys(ENGINES, 0.002) | {ARTIFACT: 0.0, TORCH: 0.006}
    fakes = {name: FakeLoop(name, took[name], turns, spoiled if name == ARTIFACT else 0) for name in ENGINES}
    return cast(Mapping[str, EngineLoop], fakes)


@pytest.fixture(autouse=True)
def _one_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of fakes take no time, so that a case would have no end of them."""
    monkeypatch.setattr(engines, "_CASE_S", 0.0)


def test_every_engine_has_every_place_equally_often() -> None:
    """After one turn each that does not count; so a machine that becomes slower favours none."""
    turns: list[str] = []
    speeds = compare_engines(loops(turns), [CASE], Effort(rounds=1, seconds=0.0, scale=0.1))
    counted = turns[len(ENGINES) :]
    places = [counted[place :: len(ENGINES)] for place in range(len(ENGINES))]
    assert all(place.count(engine) == places[0].count(engine) for place in places for engine in ENGINES)
    assert speeds[0].rounds == len(counted) / len(ENGINES) >= len(ENGINES)


def test_a_ratio_is_that_of_the_artifact_over_the_engine() -> None:
    """Texts per second likewise come from what a turn took."""
    speeds = {it.engine: it for it in compare_engines(loops([]), [CASE], AT_ONCE)}
    assert speeds[TORCH].ratio.estimate == pytest.approx(6)
    assert speeds[ARTIFACT].texts_per_s == pytest.approx(1000)


def test_the_ratio_of_a_mix_is_that_of_its_whole_time() -> None:
    """Also where the artifact's lead depends on the length: no text is left out because its ratio is an unusual one."""
    lengths = [1, 1, 1, 1, 21]
    case = mixed_case("mix", [[7] * length for length in lengths], 1)
    speeds = {it.engine: it for it in compare_engines(loops([]), [case], Effort(1, 0.0, scale=0.1))}
    assert speeds[TORCH].ratio.estimate == pytest.approx(0.006 * len(lengths) / (0.001 * sum(lengths)))
    assert speeds[ARTIFACT].texts_per_s == pytest.approx(len(lengths) / (0.001 * sum(lengths)))


def test_spoiled_turns_do_not_move_a_ratio() -> None:
    """Somebody else had the core's cache in one of four rounds."""
    speeds = {it.engine: it for it in compare_engines(loops([], spoiled=4), [CASE], Effort(1, 0.0, scale=0.1))}
    assert speeds[TORCH].ratio.estimate == pytest.approx(6)


def test_runs_with_a_cold_cache_count_only_where_there_are_no_others() -> None:
    """Another engine had its turn before, and a process that serves has no such neighbour."""
    assert typical([(0.0, 2.0), (0.002, 2.0), (0.04, 1.0), (0.041, 1.2), (0.042, 1.1)]) == pytest.approx(1.1)
    assert typical([(0.0, 2.0)]) == pytest.approx(2.0)
