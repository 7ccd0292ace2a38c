"""The Cloud Run service: its values fit the server and Cloud Run's own rules."""

import re
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

from server.settings import Settings  # noqa: E402 - behind the check

pytestmark = pytest.mark.development

SERVICE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy" / "cloudrun" / "service.yaml").read_text()
)
REVISION: dict[str, Any] = SERVICE["spec"]["template"]
(CONTAINER,) = REVISION["spec"]["containers"]
ENVIRONMENT = {item["name"]: item["value"] for item in CONTAINER["env"]}


def test_it_is_a_service_of_knative() -> None:
    """Cloud Run requires this kind and version, and text for every annotation."""
    assert ("serving.knative.dev/v1", "Service") == (SERVICE["apiVersion"], SERVICE["kind"])
    annotations = SERVICE["metadata"]["annotations"] | REVISION["metadata"]["annotations"]
    assert {str} == {type(value) for value in annotations.values()}


def test_cloud_run_says_which_port() -> None:
    """Cloud Run sets PORT itself and refuses a service that sets it; VERDICT_PORT would override it."""
    assert not {"PORT", "VERDICT_PORT", "VERDICT_HOST"} & ENVIRONMENT.keys()
    (port,) = CONTAINER["ports"]
    for probe in ("startupProbe", "livenessProbe"):
        assert port["containerPort"] == CONTAINER[probe]["httpGet"]["port"]


def test_what_is_set_is_a_setting() -> None:
    """The server ignores a misspelt variable, with only a warning in its log."""
    assert ENVIRONMENT.keys() <= {f"VERDICT_{name.upper()}" for name in Settings.model_fields}


def test_it_drains_before_it_is_killed() -> None:
    """Draining fits into Cloud Run's 10 s after SIGTERM, and its request timeout is longer than the server's."""
    assert float(ENVIRONMENT["VERDICT_DRAIN_TIMEOUT_S"]) < 10
    assert float(ENVIRONMENT["VERDICT_REQUEST_TIMEOUT_S"]) < REVISION["spec"]["timeoutSeconds"]


def test_many_requests_share_an_instance_with_a_whole_cpu() -> None:
    """Micro-batches need concurrent requests, for which Cloud Run requires at least one vCPU."""
    assert 1 < REVISION["spec"]["containerConcurrency"] <= 1000
    assert float(CONTAINER["resources"]["limits"]["cpu"]) >= 1
    assert re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", CONTAINER["image"])


def test_a_start_may_take_a_minute() -> None:
    """The startup probe runs every second, within the four minutes that Cloud Run allows."""
    probe = CONTAINER["startupProbe"]
    assert "/health/ready" == probe["httpGet"]["path"]
    assert 60 <= probe["periodSeconds"] * probe["failureThreshold"] <= 240
    assert probe["timeoutSeconds"] <= probe["periodSeconds"]
