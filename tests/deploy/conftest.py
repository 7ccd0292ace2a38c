"""Fixtures of the deployment tests: a cloud on this machine, Terraform without its registry, one deployment."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from tests.deploy.cloud import Cloud, local_cloud
from tests.deploy.everything import ask_for_everything
from tests.deploy.registry import local_registry, why_no_registry
from tests.deploy.script import DeployScript
from tests.deploy.terraform import Terraform, find_mirror


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An AWS account."""
    with local_cloud(tmp_path_factory.mktemp("home")) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def terraform(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Terraform]:
    """A function that copies the modules and connects them to the cloud."""
    mirror = find_mirror()
    return lambda: Terraform(tmp_path_factory.mktemp("tree"), mirror, cloud.environment)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """A real registry, if one is installed."""
    with nullcontext() if why_no_registry() else local_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="session")
def services(cloud: Cloud, terraform: Callable[[], Terraform], registry: str | None) -> tuple[DeployScript, Terraform]:
    """Two services in one account, created in parallel because Terraform mostly waits."""
    script, modules = DeployScript(terraform(), registry), terraform()
    (modules.modules / "service" / "terraform.tfvars.json").write_text(json.dumps(ask_for_everything(cloud)))

    def apply() -> None:
        modules.init("service")
        modules.run("service", "apply", "-input=false", "-auto-approve")

    with ThreadPoolExecutor() as pool:
        applied, deployed = pool.submit(apply), pool.submit(script.run, "deploy")
        done = deployed.result()
        assert 0 == done.returncode, done.stdout
        assert " serves at http://" in done.stdout.splitlines()[-1]
        applied.result()
    return script, modules


@pytest.fixture(scope="session")
def deployment(services: tuple[DeployScript, Terraform]) -> DeployScript:
    """The deployment that one command creates from this tree in an empty account, with defaults only."""
    return services[0]


@pytest.fixture(scope="session")
def plain(services: tuple[DeployScript, Terraform]) -> Terraform:
    """The modules behind that deployment."""
    return services[0].terraform


@pytest.fixture(scope="session")
def full(services: tuple[DeployScript, Terraform]) -> Terraform:
    """The modules behind a service that sets every variable."""
    return services[1]
