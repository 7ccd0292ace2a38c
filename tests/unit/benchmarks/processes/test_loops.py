"""Loops answer over pipes until they end."""

import pytest

pytest.importorskip("psutil")

from artifact.child import ChildError
from benchmarks.processes.loops import BareLoop
from benchmarks.processes.placement import place
from tests.support.tiny import TINY

pytestmark = pytest.mark.development


def test_the_bare_loop_measures_every_text() -> None:
    """Wall time of each, and CPU time of all."""
    with BareLoop(TINY, place().server) as bare:
        run = bare.run(["good", "a bad film"])
    assert 2 == len(run.seconds)
    assert run.wall_s > 0
    assert run.cpu_s > 0


def test_a_loop_that_does_not_load_raises_with_its_output() -> None:
    """The output says why, here that there is no artifact."""
    with pytest.raises(ChildError, match="no artifact in"):
        BareLoop(TINY.parent, place().server)
