"""Server and bare loop are compared with the same texts, each equally often first."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import anyio.to_thread
import pytest

pytest.importorskip("psutil")
pytest.importorskip("uvloop")

from benchmarks.figures.rounds import Effort, alternate
from benchmarks.load.client import Address
from benchmarks.load.corpus import TextPool, Texts
from benchmarks.processes.loops import BareLoop, BareRun
from benchmarks.processes.process import Usage
from benchmarks.processes.servers import Server
from benchmarks.promises.ratios import CASES, Comparison, RatioCase
from tests.unit.benchmarks.conftest import OK, FakeServer

pytestmark = pytest.mark.anyio

POOL = TextPool("texts", tuple(f"text {number}" for number in range(100)))
TWO_CALLERS = RatioCase("two callers", "sentences", 2, bound=1.1)
EFFORT = Effort(rounds=1, seconds=0.4, scale=1.0)


@dataclass
class FakeBare:
    """Takes 10 ms a text and logs it."""

    log: list[tuple[str, str]]

    def run(self, texts: Sequence[str]) -> BareRun:
        """Run the texts."""
        self.log += [("bare", text) for text in texts]
        return BareRun([0.01] * len(texts), 0.01 * len(texts))


@dataclass
class FakeSides:
    """A server that uses one more CPU second at every look, and the bare loop beside it."""

    address: Address
    log: list[tuple[str, str]] = field(default_factory=list)
    cpu_s: float = 0.0

    def usage(self) -> Usage:
        """Return the usage."""
        self.cpu_s += 1
        return Usage(0, self.cpu_s, 1, 1)

    def compare(self, rounds: int, case: RatioCase = TWO_CALLERS) -> Comparison:
        """Return a comparison after a number of rounds."""
        bare = cast(BareLoop, FakeBare(self.log))
        comparison = Comparison(cast(Server, self), bare, Texts(POOL, POOL), case, EFFORT)
        self.log.clear()
        seconds = iter(range(10))
        alternate([comparison.rounds], clock=lambda: next(seconds) * comparison.rounds.seconds / rounds)
        return comparison


@pytest.fixture
def fakes(fake_server: FakeServer) -> FakeSides:
    """A fake server that writes into the same log as the bare loop."""
    fakes = FakeSides(fake_server.address)

    async def respond(_: int) -> bytes:
        fakes.log.append(("server", json.loads(fake_server.bodies[-1])["text"]))
        return OK

    fake_server.respond = respond
    return fakes


async def test_both_get_the_same_texts_and_each_is_first_equally_often(fakes: FakeSides) -> None:
    """A machine that becomes slower favours none."""
    await anyio.to_thread.run_sync(fakes.compare, 4)
    sides = [side for index, (side, _) in enumerate(fakes.log) if index == 0 or side != fakes.log[index - 1][0]]
    texts = {side: sorted(text for measured, text in fakes.log if measured == side) for side in ("server", "bare")}
    assert ["server", "bare", "server", "bare", "server"] == sides
    assert texts["server"] == texts["bare"]
    assert set(texts["bare"]) == set(POOL.take(40))


async def test_texts_that_warm_up_the_caches_do_not_count(fakes: FakeSides) -> None:
    """Rates and latencies are those of the other texts of a round."""
    comparison = await anyio.to_thread.run_sync(fakes.compare, 4)
    note = comparison.finding().note
    assert "bare loop 100.0 texts/s; by CPU seconds 0.400; the core was theirs for 100% of the time" in note


async def test_callers_of_a_round_are_connected_before_it_begins(fakes: FakeSides, fake_server: FakeServer) -> None:
    """A server closes connections that are idle for long, and other measurements run between two rounds."""
    await anyio.to_thread.run_sync(fakes.compare, 4)
    assert 2 * (4 + 1) == fake_server.connections


async def test_a_ratio_of_throughputs_must_be_at_least_its_bound(fakes: FakeSides) -> None:
    """The bare loop needs 10 ms a text and the fake server much less."""
    comparison = await anyio.to_thread.run_sync(fakes.compare, 4)
    finding = comparison.finding()
    assert ("two callers", "at least", 1.1) == (finding.what, finding.relation, finding.bound)
    assert finding.value > finding.bound


async def test_the_latency_of_one_caller_is_a_gap_in_milliseconds(fakes: FakeSides) -> None:
    """The gap may be negative; the ratio stands beside it for comparisons of runs."""
    comparison = await anyio.to_thread.run_sync(fakes.compare, 4, CASES["idle-latency"])
    finding = comparison.finding()
    assert ("ms", "at most", 0.7, True) == (finding.unit, finding.relation, finding.bound, finding.holds)
    assert -10 < finding.value < 0
    assert "bare loop 10.00 ms" in finding.note
    assert finding.relative is not None
    assert 0 < finding.relative < 1
