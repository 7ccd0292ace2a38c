"""The Grafana dashboard: it can be imported, and every panel uses existing series and labels."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("promql_parser")

from tests.support.promql import check_expression, check_legend, read_series

pytestmark = pytest.mark.development

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).parents[3] / "deploy" / "grafana" / "verdict.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


def plain(expression: str) -> str:
    """Return an expression as Grafana sends it, with its variables filled in."""
    return expression.replace("$__rate_interval", "5m").replace("$job", "verdict").replace("$instance", ".*")


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_a_panel_asks_for_series_that_exist(panel: dict[str, Any]) -> None:
    """Every expression is PromQL over the server's own metrics, and its legend names existing labels."""
    for target in panel["targets"]:
        check_expression(plain(target["expr"]))
        check_legend(plain(target["expr"]), set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])))


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """Each panel has a unit, a one-sentence description and the data source that the operator selects."""
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"].endswith(".")
    assert {"${datasource}"} == {target["datasource"]["uid"] for target in panel["targets"]}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_job_and_server_can_be_picked_everywhere(expression: str) -> None:
    """Every query uses the two variables at the top."""
    series = len(re.findall(r"\bverdict_\w+", expression))
    assert series == expression.count('{job=~"$job", instance=~"$instance"')


def test_every_metric_is_on_the_dashboard() -> None:
    """Every metric of the server is on the dashboard."""
    shown = set(re.findall(r"\bverdict_[a-z_]+", " ".join(EXPRESSIONS)))
    histograms = {name.removesuffix("_bucket") for name in read_series() if name.endswith("_bucket")}
    plain_series = {
        name for name in read_series() if name != "up" and not name.startswith(tuple(f"{h}_" for h in histograms))
    }
    missing = {name for name in plain_series if name not in shown}
    missing |= {name for name in histograms if not {f"{name}_bucket", f"{name}_sum"} & shown}
    assert set() == missing


def test_the_model_annotation_asks_for_series_that_exist() -> None:
    """The marks of a model change come from the same metrics."""
    for annotation in DASHBOARD["annotations"]["list"]:
        check_expression(plain(annotation["expr"]))


def test_panels_neither_overlap_nor_share_an_id() -> None:
    """Grafana would move the first and lose the second."""
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert 23 == max(x for x, _ in cells)
    assert len(DASHBOARD["panels"]) == len({panel["id"] for panel in DASHBOARD["panels"]})
