"""The alert rules: they parse, they use existing series, and each one fires as intended and has a runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("promql_parser")

from tests.support.promql import check_expression, read_series  # noqa: E402 - behind the check

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
SCENARIOS = Path(__file__).parent / "alert_scenarios.yaml"
GUIDE = (ROOT / "docs" / "operations.md").read_text()
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


@each_rule
def test_an_alert_asks_for_series_that_exist(rule: dict[str, Any]) -> None:
    """An alert on a renamed metric would silently never fire."""
    check_expression(rule["expr"])


@each_rule
def test_an_alert_says_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """An operator on call reads what happened and finds the first steps under the alert's name."""
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert f"docs/operations.md#{rule['alert'].lower()}" == rule["annotations"]["runbook"]
    assert f"\n### {rule['alert']}\n" in GUIDE


@each_rule
def test_every_alert_has_a_scenario(rule: dict[str, Any]) -> None:
    """Every alert must have fired in at least one scenario."""
    scenarios = yaml.safe_load(SCENARIOS.read_text())["tests"]
    samples = [sample for scenario in scenarios for sample in scenario["promql_expr_test"][0]["exp_samples"]]
    assert f'{{alertname="{rule["alert"]}"}}' in [sample["labels"] for sample in samples]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, of Debian's package prometheus, is not installed")
def test_alerts_fire_when_they_should() -> None:
    """Prometheus' own tool runs every scenario: each alert fires in its own, and none on a healthy server."""
    done = subprocess.run(["promtool", "test", "rules", str(SCENARIOS)], capture_output=True, text=True, check=False)  # noqa: S607 - wherever it is installed
    assert (0, "") == (done.returncode, done.stderr), done.stdout


def test_the_guide_explains_every_metric() -> None:
    """The guide lists every metric with its labels, so operators need not read the source."""
    for name, labels in sorted(read_series().items()):
        if name == "up" or name.endswith(("_sum", "_count")):
            continue
        own = sorted(labels - {"job", "instance", "le"})
        pattern = rf"^\| `{name.removesuffix('_bucket')}(\{{([a-z,]*)\}})?` \|"
        (row,) = re.finditer(pattern, GUIDE, re.MULTILINE)
        assert own == sorted(filter(None, (row[2] or "").split(","))), name
