"""The Ray clusters: they use the locked version, their heads score no rows, and their command exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
validate = pytest.importorskip("kubernetes_validate")
bulk = pytest.importorskip("bulk.__main__")

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[2]
JOB: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "ray" / "rayjob.yaml").read_text())
CLUSTER: dict[str, Any] = JOB["spec"]["rayClusterSpec"]
LAUNCHED: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "ray" / "aws.yaml").read_text())
(WORKERS,) = CLUSTER["workerGroupSpecs"]


def test_the_cluster_runs_the_locked_version_of_ray() -> None:
    """Ray refuses a driver of another version."""
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements" / "bulk.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert CLUSTER["rayVersion"] == locked.group(1)


def test_the_job_runs_a_command_that_exists() -> None:
    """The job uses only options of the command line."""
    program, flag, module, *arguments = shlex.split(JOB["spec"]["entrypoint"])
    assert ("python", "-m", "bulk") == (program, flag, module)
    assert "auto" == bulk._parser().parse_args(arguments).ray


@pytest.mark.parametrize("group", [CLUSTER["headGroupSpec"], WORKERS])
def test_a_node_is_a_pod_that_kubernetes_takes(group: dict[str, Any]) -> None:
    """A misspelt field is an error, and the pods have no privileges."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "node"}, "spec": group["template"]["spec"]}
    validate.validate(pod, "1.32", strict=True)
    (container,) = group["template"]["spec"]["containers"]
    assert container["securityContext"]["runAsNonRoot"]


def test_heads_score_nothing() -> None:
    """The head does not run on a spot node and scores no rows."""
    assert "0" == CLUSTER["headGroupSpec"]["rayStartParams"]["num-cpus"]
    head = LAUNCHED["available_node_types"][LAUNCHED["head_node_type"]]
    assert 0 == head["resources"]["CPU"]
    assert any("--num-cpus=0" in command for command in LAUNCHED["head_start_ray_commands"])


def test_workers_are_spot_instances() -> None:
    """A run continues when spot workers are reclaimed."""
    worker = LAUNCHED["available_node_types"]["worker"]["node_config"]
    assert {"MarketType": "spot"} == worker["InstanceMarketOptions"]
    assert any(toleration["key"].endswith("spot") for toleration in WORKERS["template"]["spec"]["tolerations"])


def test_the_launcher_takes_the_cluster() -> None:
    """The configuration matches Ray's own schema."""
    ray_autoscaler = pytest.importorskip("ray.autoscaler._private.util")
    ray_autoscaler.validate_config(ray_autoscaler.prepare_config(dict(LAUNCHED)))
