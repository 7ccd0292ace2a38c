"""The Kubernetes objects: they are valid for the versions in use, and an update or eviction loses no request."""

from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
validate = pytest.importorskip("kubernetes_validate")

from server.settings import Settings  # noqa: E402 - behind the check

pytestmark = pytest.mark.development

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS: dict[str, dict[str, Any]] = {
    document["kind"]: document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((FOLDER / name).read_text())
}
POD: dict[str, Any] = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.mark.parametrize("version", ["1.28", "1.32", "1.36"])
@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_an_object_is_what_its_version_of_kubernetes_takes(kind: str, version: str) -> None:
    """A misspelt field is an error; the cluster would drop it silently."""
    validate.validate(OBJECTS[kind], version, strict=True)


def test_every_file_belongs_to_the_kustomization() -> None:
    """The folder has no unused file, and the image is named by digest."""
    assert {path.name for path in FOLDER.glob("*.yaml")} == {"kustomization.yaml", *KUSTOMIZATION["resources"]}
    (image,) = KUSTOMIZATION["images"]
    assert CONTAINER["image"] == image["name"]
    assert image["digest"].startswith("sha256:")
    assert 7 + 64 == len(image["digest"])


def test_each_object_finds_the_pods() -> None:
    """Deployment, service, disruption budget and autoscaler select the same server."""
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"],
        OBJECTS["Service"]["spec"]["selector"],
        OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    target = OBJECTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert ("Deployment", OBJECTS["Deployment"]["metadata"]["name"]) == (target["kind"], target["name"])
    (port,) = OBJECTS["Service"]["spec"]["ports"]
    assert port["targetPort"] in {item["name"] for item in CONTAINER["ports"]}
    assert "replicas" not in OBJECTS["Deployment"]["spec"]


def test_a_pod_ends_without_losing_a_request() -> None:
    """An old pod serves until proxies drop it, then drains, and may be killed only then; a new pod is ready first."""
    environment = {item["name"]: item.get("value") for item in CONTAINER["env"]}
    command, pause_s = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert "sleep" == command
    assert int(pause_s) + int(environment["VERDICT_DRAIN_TIMEOUT_S"]) + 5 < POD["terminationGracePeriodSeconds"]
    assert 0 == OBJECTS["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]


def test_a_pod_can_do_as_little_as_possible() -> None:
    """The pod has no root user, no token and no capability, and can write only 16 MiB."""
    assert (True, 10001) == (POD["securityContext"]["runAsNonRoot"], POD["securityContext"]["runAsUser"])
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == CONTAINER["securityContext"]
    assert POD["automountServiceAccountToken"] is False


def test_a_service_called_verdict_sets_no_settings() -> None:
    """For a service named verdict, Kubernetes would set VERDICT_PORT=tcp://…, which is not a port."""
    assert POD["enableServiceLinks"] is False


def test_what_is_set_is_a_setting() -> None:
    """The server ignores a misspelt variable, with only a warning in its log."""
    settings = {f"VERDICT_{name.upper()}" for name in Settings.model_fields}
    assert {item["name"] for item in CONTAINER["env"]} <= settings


def test_slow_is_not_dead() -> None:
    """Readiness decides which pods get requests; only a server without an answer for a minute is restarted."""
    assert {"/health/ready"} == {CONTAINER[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe")}
    liveness = CONTAINER["livenessProbe"]
    assert "/health/live" == liveness["httpGet"]["path"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
