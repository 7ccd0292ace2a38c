"""The fingerprint of a plan covers everything that decides the result."""

from dataclasses import replace
from pathlib import Path

from training.config import HyperParameters
from training.data.sources import Source
from training.plan import Plan


def _plan(path: Path) -> Plan:
    return Plan(
        name="a",
        base_model="base",
        base_model_name="base",
        sources=[Source(str(path))],
        output=Path("out"),
        parameters=HyperParameters(),
    )


def test_fingerprint_follows_data_and_settings(tmp_path: Path) -> None:
    """A changed file or hyper-parameter changes the fingerprint; how often the run saves does not."""
    path = tmp_path / "rows.csv"
    path.write_text("one")
    plan = _plan(path)
    before = plan.fingerprint()
    assert replace(plan, save_steps=1, threads=1).fingerprint() == before
    assert replace(plan, parameters=HyperParameters(seed=8)).fingerprint() != before
    path.write_text("two")
    assert plan.fingerprint() != before
