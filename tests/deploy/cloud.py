"""An AWS account on this machine: moto's server, extended by the calls and fields that these modules need.

moto checks calls and stores the created resources. It runs no task and checks no permission.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Scaling
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.ecs.responses import EC2ContainerServiceResponse as Ecs
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
_FORGOTTEN = [
    "availabilityZoneRebalancing",
    "capacityProviderStrategy",
    "deploymentConfiguration",
    "enableECSManagedTags",
    "healthCheckGracePeriodSeconds",
]
"""Fields of a created service that moto does not store."""


class Cloud:
    """A local AWS.

    Args:
        home: an empty directory, used instead of the developer's own configuration.

    Attributes:
        tasks_become_healthy: whether an updated service takes its new revision. If false, it returns to the previous
            revision, as the deployment circuit breaker does.
    """

    def __init__(self, home: Path) -> None:
        self.tasks_become_healthy = True
        self.environment = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(home),
        }

    def client(self, service: str) -> Any:
        """Return boto3's client for a service."""
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )


@contextmanager
def local_cloud(home: Path) -> Iterator[Cloud]:
    """Run an empty account for the duration of the block."""
    cloud = Cloud(home)
    with pytest.MonkeyPatch.context() as patch:
        _complete(patch, cloud)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # otherwise one line per call
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            cloud.environment["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
            yield cloud
        finally:
            server.stop()


def _complete(patch: pytest.MonkeyPatch, cloud: Cloud) -> None:
    create, update, register = Ecs.create_service, Ecs.update_service, Scaling.register_scalable_target
    tags: dict[str, dict[str, str]] = {}

    def remember(self: Ecs) -> ActionResult:
        result = create(self)
        for name in _FORGOTTEN:
            setattr(result.result["service"], camelcase_to_underscores(name), self._get_param(name))
        return result

    def roll_out(self: Ecs) -> ActionResult:
        result = update(self)
        if cloud.tasks_become_healthy:
            service = result.result["service"]
            service.deployments[0]["taskDefinition"] = service.task_definition
        return result

    def register_with_tags(self: Scaling) -> str:
        answer = register(self)
        tags.setdefault(json.loads(answer)["ScalableTargetARN"], self._get_param("Tags") or {})
        return answer

    def list_tags_for_resource(self: Scaling) -> str:
        return json.dumps({"Tags": tags[self._get_param("ResourceARN")]})

    patch.setattr(Ecs, "create_service", remember)
    patch.setattr(Ecs, "update_service", roll_out)
    # Terraform reads the tags of a scaling target after it creates one; moto lacks that call.
    patch.setattr(Scaling, "register_scalable_target", register_with_tags)
    patch.setattr(Scaling, "list_tags_for_resource", list_tags_for_resource, raising=False)
    patch.setenv("MOTO_ECS_SERVICE_RUNNING", "2")  # it runs no task, but can report one as running
