"""A server and the bare loop are compared at the same texts, each as often first as second."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import anyio.to_thread
import pytest

pytest.importorskip("psutil")
pytest.importorskip("uvloop")

from benchmarks.figures.effort import Effort
from benchmarks.figures.rounds import spread
from benchmarks.load.client import Address
from benchmarks.load.corpus import Corpus
from benchmarks.processes.bare import BareLoop, BareRun
from benchmarks.processes.process import Usage
from benchmarks.processes.servers import Server
from benchmarks.promises.ratios import Comparison, single
from tests.unit.benchmarks.conftest import OK, FakeServer

pytestmark = pytest.mark.anyio

CORPUS = Corpus("texts", tuple(f"text {number}" for number in range(100)))
EFFORT = Effort(rounds=1, seconds=0.4, scale=1.0)


@dataclass
class FakeBare:
    """Takes 10 ms a text, and writes down what it got."""

    log: list[tuple[str, str]]

    def run(self, texts: Sequence[str]) -> BareRun:
        """Run the texts."""
        self.log += [("bare", text) for text in texts]
        return BareRun([0.01] * len(texts), 0.01 * len(texts))


@dataclass
class Measured:
    """A server that has an address and takes a CPU second per look, and the bare loop beside it."""

    address: Address
    log: list[tuple[str, str]] = field(default_factory=list)
    cpu_s: float = 0.0

    def usage(self) -> Usage:
        """Say what it takes."""
        self.cpu_s += 1
        return Usage(0, self.cpu_s, 1, 1)

    def compare(self, rounds: int) -> Comparison:
        """Return a comparison after so many rounds."""
        comparison = Comparison(
            cast(Server, self), cast(BareLoop, FakeBare(self.log)), CORPUS, single, callers=2, effort=EFFORT
        )
        self.log.clear()
        seconds = iter(range(10))
        spread([comparison.rounds], clock=lambda: next(seconds) * comparison.rounds.seconds / rounds)
        return comparison


@pytest.fixture
def measured(fake_server: FakeServer) -> Measured:
    """A fake server that writes into the same log as the bare loop."""
    measured = Measured(fake_server.address)

    async def respond(_: int) -> bytes:
        measured.log.append(("server", json.loads(fake_server.bodies[-1])["text"]))
        return OK

    fake_server.respond = respond
    return measured


async def test_both_get_the_same_texts_and_each_is_first_equally_often(measured: Measured) -> None:
    """So that a machine that becomes slower favours none."""
    await anyio.to_thread.run_sync(measured.compare, 4)
    sides = [side for index, (side, _) in enumerate(measured.log) if index == 0 or side != measured.log[index - 1][0]]
    texts = {side: sorted(text for it, text in measured.log if it == side) for side in ("server", "bare")}
    assert ["server", "bare", "server", "bare", "server"] == sides
    assert texts["server"] == texts["bare"]
    assert set(texts["bare"]) == set(CORPUS.take(40))


async def test_texts_that_bring_the_caches_back_do_not_count(measured: Measured) -> None:
    """Rates and latencies are those of the texts of a round alone."""
    comparison = await anyio.to_thread.run_sync(measured.compare, 4)
    assert pytest.approx(100) == comparison.rates().bare_texts_per_s
    assert pytest.approx(1) == comparison.rates().quiet_share
    assert pytest.approx(40 * 0.01) == comparison.rates().cpu_ratio
    assert pytest.approx(0.01) == comparison.latencies().bare_median_s


async def test_callers_of_a_round_are_connected_before_it_begins(measured: Measured, fake_server: FakeServer) -> None:
    """A server ends connections that wait for long, and between two rounds others are measured."""
    await anyio.to_thread.run_sync(measured.compare, 4)
    assert fake_server.connections == 2 * (4 + 1)
