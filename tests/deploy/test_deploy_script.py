"""deploy.sh: one command deploys a tree to a URL, another removes it, and failures have clear messages.

These tests run in order: they update, roll back and remove the deployment that the other tests read.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")

from tests.deploy.cloud import Cloud
from tests.deploy.registry import why_no_registry
from tests.deploy.script import DeployScript

pytestmark = [pytest.mark.development, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
OLDER = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/verdict@sha256:" + "1" * 64


def running_image(cloud: Cloud) -> str:
    """Return the image of the task definition that the service's deployment runs."""
    ecs = cloud.client("ecs")
    (service,) = ecs.describe_services(cluster="verdict", services=["verdict"])["services"]
    task: dict[str, Any] = ecs.describe_task_definition(taskDefinition=service["deployments"][0]["taskDefinition"])
    return str(task["taskDefinition"]["containerDefinitions"][0]["image"])


def pushed(cloud: Cloud) -> dict[str, Any]:
    """Return the one image in the account's registry."""
    (image,) = cloud.client("ecr").describe_images(repositoryName="verdict")["imageDetails"]
    return dict(image)


def test_one_command_builds_pushes_and_deploys_by_digest(cloud: Cloud, deployment: DeployScript) -> None:
    """The engine logs in, builds for the tasks' CPU and pushes; the tasks run the digest of the pushed image."""
    repository = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/verdict"
    tag = f"{repository}:{pushed(cloud)['imageTags'][0]}"
    assert [
        ["version"],
        ["login", "--username", "AWS", "--password-stdin", repository.partition("/")[0]],
        ["build", "-q", "-t", tag, "--platform", "linux/amd64", "."],
        ["push", tag],
    ] == deployment.calls
    assert f"{repository}@{pushed(cloud)['imageDigest']}" == running_image(cloud)


@pytest.mark.skipif(bool(why_no_registry()), reason=why_no_registry())
def test_what_was_pushed_is_what_the_digest_names(cloud: Cloud, deployment: DeployScript, registry: str) -> None:
    """The deployed digest can be pulled from a real registry."""
    image = f"{registry}/verdict@{pushed(cloud)['imageDigest']}"
    for command in (["pull", "-q", image], ["rmi", image]):
        subprocess.run(["docker", *command], check=True, capture_output=True)  # noqa: S607 - wherever it is installed


def test_the_tree_s_own_target_builds_what_the_script_asks_for() -> None:
    """``make image`` uses the name and the platform that the script passes."""
    command = ["make", "-n", "image", "IMAGE=registry.example/verdict:1", "PLATFORM=linux/arm64"]  # fmt: skip
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "registry.example/verdict:1" in planned
    assert re.search(r"--platform[ =]linux/arm64", planned)


def test_an_image_that_is_there_is_deployed_without_a_build(cloud: Cloud, deployment: DeployScript) -> None:
    """IMAGE= deploys an older image and needs no engine."""
    before = len(deployment.calls)
    done = deployment.run("deploy", IMAGE=OLDER)
    assert 0 == done.returncode, done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"{OLDER} serves at http://")
    assert OLDER == running_image(cloud)
    assert before == len(deployment.calls)


def test_a_rollback_is_no_success(cloud: Cloud, deployment: DeployScript) -> None:
    """A service is steady after a rollback too, so the command must fail and name the log."""
    cloud.tasks_become_healthy = False
    done = deployment.run("deploy", IMAGE=OLDER.replace("1" * 64, "2" * 64))
    assert 1 == done.returncode, done.stdout
    assert re.search(r"rolled back: .*verdict:2 serves on\. .*aws logs tail /ecs/verdict", done.stdout.splitlines()[-1])
    assert OLDER == running_image(cloud)


def test_destroy_leaves_nothing(cloud: Cloud, deployment: DeployScript) -> None:
    """Service, load balancer, network, roles, logs, registry and revisions are removed."""
    done = deployment.run("destroy")
    assert 0 == done.returncode, done.stdout
    ecs, ec2 = cloud.client("ecs"), cloud.client("ec2")
    ours = [{"Name": "tag:application", "Values": ["verdict"]}]
    clusters = ecs.describe_clusters(clusters=["verdict"])["clusters"]
    balancers = cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
    roles = cloud.client("iam").list_roles()["Roles"]
    left = {
        "revisions": ecs.list_task_definitions(familyPrefix="verdict", status="ACTIVE")["taskDefinitionArns"],
        "clusters": [cluster for cluster in clusters if cluster["status"] == "ACTIVE"],  # the names of others are kept
        "load balancers": [item for item in balancers if item["LoadBalancerName"] == "verdict"],
        "networks": ec2.describe_vpcs(Filters=ours)["Vpcs"],
        "security groups": ec2.describe_security_groups(Filters=ours)["SecurityGroups"],
        "roles": [role for role in roles if role["RoleName"].startswith("verdict-")],
        "logs": cloud.client("logs").describe_log_groups(logGroupNamePrefix="/ecs/verdict")["logGroups"],
        "registries": cloud.client("ecr").describe_repositories()["repositories"],
    }
    assert {} == {name: found for name, found in left.items() if found}


@pytest.mark.parametrize(
    ("present", "said"),
    [
        ("", "terraform is not installed: "),
        ("terraform", "aws is not installed: "),
        ("terraform aws", "no region: set AWS_REGION"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, present: str, said: str) -> None:
    """The first missing tool or setting ends the script with one line that gives its purpose."""
    for tool in ("bash", "dirname", "env"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    for tool in present.split():
        (tmp_path / tool).write_text("#!/bin/sh\n")
        (tmp_path / tool).chmod(0o755)
    done = subprocess.run(
        [str(ROOT / "deploy" / "terraform" / "deploy.sh"), "deploy"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == done.returncode
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)
