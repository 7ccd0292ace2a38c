"""Terraform's modules: they are valid and create the promised Fargate service.

The tests apply them to a local AWS, which checks calls but runs nothing, and read the resources back.
docs/deployment.md lists what this proves.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")

from tests.deploy.cloud import Cloud
from tests.deploy.everything import KEYS, TOPIC
from tests.deploy.terraform import Terraform

pytestmark = [pytest.mark.development, pytest.mark.timeout(900)]


def container(cloud: Cloud, family: str = "verdict") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a family's task definition and its one container."""
    task = cloud.client("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
    (only,) = task["containerDefinitions"]
    return task, only


def service(cloud: Cloud, name: str = "verdict") -> dict[str, Any]:
    """Return a service as ECS describes it."""
    (only,) = cloud.client("ecs").describe_services(cluster=name, services=[name])["services"]
    return only


def load_balancer(cloud: Cloud, name: str = "verdict") -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return a load balancer, its target group and its listeners, the first two with their attributes."""
    elb = cloud.client("elbv2")
    (balancer,) = elb.describe_load_balancers(Names=[name])["LoadBalancers"]
    (group,) = elb.describe_target_groups(Names=[name])["TargetGroups"]
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]
    balancer |= {item["Key"]: item["Value"] for item in attributes}
    attributes = elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    group |= {item["Key"]: item["Value"] for item in attributes}
    return balancer, group, elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]


def statements(cloud: Cloud, role_arn: str) -> dict[str, dict[str, Any]]:
    """Return all permissions of a role, by statement id."""
    iam, name = cloud.client("iam"), role_arn.rpartition("/")[2]
    assert [] == iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    found = {}
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        found.update({statement["Sid"]: statement for statement in document["Statement"]})
    return found


def rules(cloud: Cloud, group: str, *, egress: bool) -> set[tuple[int, str]]:
    """Return the rules of a security group: ports with addresses or groups."""
    found = cloud.client("ec2").describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    return {
        (rule["FromPort"], rule.get("CidrIpv4") or rule["ReferencedGroupInfo"]["GroupId"])
        for rule in found["SecurityGroupRules"]
        if rule["IsEgress"] == egress
    }


def test_the_modules_are_formatted_and_valid(terraform: Callable[[], Terraform]) -> None:
    """Terraform's own checks find no error, and the provider matches its checksum in the lock file."""
    modules = terraform()
    assert "" == modules.run(".", "fmt", "-check", "-recursive", "-diff")
    for module in ("registry", "service"):
        modules.init(module)
        assert [] == json.loads(modules.run(module, "validate", "-json"))["diagnostics"]


def test_values_that_can_not_work_are_refused(terraform: Callable[[], Terraform]) -> None:
    """Terraform runs service/tests: it refuses each wrong value before it creates anything."""
    modules = terraform()
    modules.init("service")
    assert " 0 failed" in modules.run("service", "test")


def test_a_task_is_a_fargate_task_of_the_size_asked_for(cloud: Cloud, plain: Terraform) -> None:
    """A task has a quarter of a vCPU and 512 MB on Linux and x86, its own network, and an image by digest."""
    task, only = container(cloud)
    assert ["FARGATE"] == task["requiresCompatibilities"]
    assert ("awsvpc", "256", "512") == (task["networkMode"], task["cpu"], task["memory"])
    assert {"operatingSystemFamily": "LINUX", "cpuArchitecture": "X86_64"} == task["runtimePlatform"]
    assert plain.outputs("service")["image"] == only["image"]
    assert "@sha256:" in only["image"]
    environment = {item["name"]: item["value"] for item in only["environment"]}
    assert "1" == environment["VERDICT_INFERENCE_WORKERS"]  # a fraction of a vCPU, although the machine has more
    assert [(8080, "tcp")] == [(port["containerPort"], port["protocol"]) for port in only["portMappings"]]


def test_a_task_can_do_as_little_as_possible(cloud: Cloud, plain: Terraform) -> None:
    """The task has no root user, no writable path, no capability and no AWS permission."""
    task, only = container(cloud)
    assert "10001:10001" == only["user"]
    assert only["readonlyRootFilesystem"] is True
    assert ["ALL"] == only["linuxParameters"]["capabilities"]["drop"]
    assert not only["linuxParameters"]["capabilities"].get("add")
    assert not only.get("privileged")
    assert {} == statements(cloud, task["taskRoleArn"])
    assert task["taskRoleArn"] != task["executionRoleArn"]


def test_ecs_may_pull_this_image_and_write_these_logs_and_no_more(cloud: Cloud, plain: Terraform) -> None:
    """The execution role is limited to the repository and the log group; only the login cannot be narrowed."""
    task, only = container(cloud)
    may = statements(cloud, task["executionRoleArn"])
    assert {"LogInToEcr", "PullTheImage", "WriteLogs"} == set(may)
    assert "ecr:GetAuthorizationToken" == may["LogInToEcr"]["Action"]
    assert "arn:aws:ecr:eu-central-1:123456789012:repository/verdict" == may["PullTheImage"]["Resource"]
    assert "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/verdict:*" == may["WriteLogs"]["Resource"]
    assert "awslogs" == only["logConfiguration"]["logDriver"]
    options = only["logConfiguration"]["options"]
    assert ("/ecs/verdict", "eu-central-1") == (options["awslogs-group"], options["awslogs-region"])
    (group,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/ecs/verdict")["logGroups"]
    assert 30 == group["retentionInDays"]


@pytest.mark.usefixtures("plain", "full")
@pytest.mark.parametrize(("name", "request_s", "drain_s"), [("verdict", 30, 25), ("reviews", 20, 15)])
def test_a_task_ends_without_losing_a_request(cloud: Cloud, name: str, request_s: int, drain_s: int) -> None:
    """The load balancer waits for the longest allowed request, then the server drains, and only then may be killed."""
    _, only = container(cloud, name)
    balancer, group, _ = load_balancer(cloud, name)
    environment = {item["name"]: item["value"] for item in only["environment"]}
    assert (str(request_s), str(drain_s)) == (
        environment["VERDICT_REQUEST_TIMEOUT_S"],
        environment["VERDICT_DRAIN_TIMEOUT_S"],
    )
    assert request_s == int(group["deregistration_delay.timeout_seconds"])
    assert drain_s < only["stopTimeout"] <= 120
    assert request_s < int(balancer["idle_timeout.timeout_seconds"]) < 75  # the server's keep-alive


def test_the_container_s_health_is_the_image_s(cloud: Cloud, plain: Terraform) -> None:
    """ECS ignores the health check of the image, so the task repeats its command."""
    _, only = container(cloud)
    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text()
    assert json.dumps(only["healthCheck"]["command"][1:]) in dockerfile
    assert only["healthCheck"]["timeout"] < only["healthCheck"]["interval"]


def test_a_service_runs_on_fargate_in_two_zones(cloud: Cloud, plain: Terraform) -> None:
    """Two on-demand tasks run in public subnets of the deployment's own network."""
    running = service(cloud)
    assert [("FARGATE", 1, 100)] == [
        (item["capacityProvider"], item.get("base"), item["weight"]) for item in running["capacityProviderStrategy"]
    ]
    assert ("LATEST", 2) == (running["platformVersion"], running["desiredCount"])
    network = running["networkConfiguration"]["awsvpcConfiguration"]
    assert "ENABLED" == network["assignPublicIp"]
    subnets = cloud.client("ec2").describe_subnets(SubnetIds=network["subnets"])["Subnets"]
    assert 2 == len({subnet["AvailabilityZone"] for subnet in subnets})
    (cluster,) = cloud.client("ecs").describe_clusters(clusters=["verdict"])["clusters"]
    assert {"FARGATE", "FARGATE_SPOT"} == set(cluster["capacityProviders"])


def test_an_update_adds_before_it_removes_and_takes_itself_back(cloud: Cloud, plain: Terraform) -> None:
    """The number of tasks never falls, and a revision that does not become healthy is rolled back."""
    how = service(cloud)["deploymentConfiguration"]
    assert {"enable": True, "rollback": True} == how["deploymentCircuitBreaker"]
    assert (100, 200) == (how["minimumHealthyPercent"], how["maximumPercent"])
    assert 60 == service(cloud)["healthCheckGracePeriodSeconds"]


def test_requests_go_to_tasks_that_are_ready(cloud: Cloud, plain: Terraform) -> None:
    """The load balancer checks readiness, and the service registers its tasks by address."""
    _, group, (listener,) = load_balancer(cloud)
    assert ("/health/ready", "200") == (group["HealthCheckPath"], group["Matcher"]["HttpCode"])
    assert ("ip", 8080) == (group["TargetType"], group["Port"])
    assert "least_outstanding_requests" == group["load_balancing.algorithm.type"]
    assert ("HTTP", 80) == (listener["Protocol"], listener["Port"])
    assert [("verdict", 8080, group["TargetGroupArn"])] == [
        (item["containerName"], item["containerPort"], item["targetGroupArn"])
        for item in service(cloud)["loadBalancers"]
    ]


def test_nobody_reaches_a_task_but_the_load_balancer(cloud: Cloud, plain: Terraform) -> None:
    """Allowed traffic: callers to the load balancer, the load balancer to the tasks, tasks to AWS by HTTPS."""
    balancer, _, _ = load_balancer(cloud)
    (outer,) = balancer["SecurityGroups"]
    (inner,) = service(cloud)["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]
    assert {(80, "0.0.0.0/0")} == rules(cloud, outer, egress=False)
    assert {(8080, inner)} == rules(cloud, outer, egress=True)
    assert {(8080, outer)} == rules(cloud, inner, egress=False)
    assert {(443, "0.0.0.0/0")} == rules(cloud, inner, egress=True)


def test_autoscaling_follows_cpu_and_requests(cloud: Cloud, plain: Terraform) -> None:
    """Autoscaling runs two to eight tasks; it waits one minute after a scale-out and five after a scale-in."""
    scaling = cloud.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=["service/verdict/verdict"])
    (target,) = targets["ScalableTargets"]
    assert (2, 8) == (target["MinCapacity"], target["MaxCapacity"])
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId="service/verdict/verdict")
    by_metric = {}
    for policy in policies["ScalingPolicies"]:
        settings = policy["TargetTrackingScalingPolicyConfiguration"]
        assert (60, 300) == (settings["ScaleOutCooldown"], settings["ScaleInCooldown"])
        metric = settings["PredefinedMetricSpecification"]
        by_metric[metric["PredefinedMetricType"]] = (settings["TargetValue"], metric.get("ResourceLabel"))
    assert (60, None) == by_metric["ECSServiceAverageCPUUtilization"]
    balancer, group, _ = load_balancer(cloud)
    label = f"{balancer['LoadBalancerArn'].partition('loadbalancer/')[2]}/{group['TargetGroupArn'].rpartition(':')[2]}"
    assert (1200, label) == by_metric["ALBRequestCountPerTarget"]


def test_a_second_plan_changes_nothing(full: Terraform) -> None:
    """The applied resources match the plan, except for fields that the local AWS does not store."""
    full.run("service", "plan", "-input=false", "-out=second")
    planned = json.loads(full.run("service", "show", "-json", "second"))
    changes = {
        (item["type"], name)
        for item in planned["resource_changes"]
        for name, value in (item["change"]["after"] or {}).items()
        if item["change"]["actions"] != ["no-op"] and (item["change"]["before"] or {}).get(name) != value
    }
    assert changes <= {
        ("aws_vpc_security_group_egress_rule", "description"),
        ("aws_vpc_security_group_ingress_rule", "description"),
    }


def test_keys_come_from_a_secret_and_stay_there(cloud: Cloud, full: Terraform) -> None:
    """The task names the secret, only its execution role may read it, and neither plan nor state holds a key."""
    task, only = container(cloud, "reviews")
    assert [{"name": "VERDICT_API_KEY", "valueFrom": KEYS}] == only["secrets"]
    assert "VERDICT_API_KEY" not in {item["name"] for item in only["environment"]}
    may = statements(cloud, task["executionRoleArn"])["ReadTheApiKeys"]
    assert ("secretsmanager:GetSecretValue", KEYS) == (may["Action"], may["Resource"])


def test_a_model_comes_from_a_volume(cloud: Cloud, full: Terraform) -> None:
    """The model comes from EFS through one access point: encrypted, read-only, for the task's own role."""
    task, only = container(cloud, "reviews")
    (volume,) = task["volumes"]
    efs = volume["efsVolumeConfiguration"]
    assert ("fs-1", "ENABLED") == (efs["fileSystemId"], efs["transitEncryption"])
    assert {"accessPointId": "fsap-1", "iam": "ENABLED"} == efs["authorizationConfig"]
    assert [{"sourceVolume": volume["name"], "containerPath": "/models", "readOnly": True}] == only["mountPoints"]
    environment = {item["name"]: item["value"] for item in only["environment"]}
    assert "/models/reviews-2" == environment["VERDICT_ARTIFACT_DIR"]
    assert "1000" == environment["VERDICT_CACHE_ITEMS"]
    may = statements(cloud, task["taskRoleArn"])
    assert {"ReadTheModel"} == set(may)
    assert "elasticfilesystem:ClientMount" == may["ReadTheModel"]["Action"]
    (inner,) = service(cloud, "reviews")["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]
    assert (2049, "0.0.0.0/0") in rules(cloud, inner, egress=True)


def test_larger_arm_tasks_mostly_on_spot(cloud: Cloud, full: Terraform) -> None:
    """One task is always on demand, and seven tenths of the others are on Spot."""
    task, _ = container(cloud, "reviews")
    assert ("1024", "2048", "ARM64") == (task["cpu"], task["memory"], task["runtimePlatform"]["cpuArchitecture"])
    assert [("FARGATE", 1, 30), ("FARGATE_SPOT", None, 70)] == sorted(
        (item["capacityProvider"], item.get("base"), item["weight"])
        for item in service(cloud, "reviews")["capacityProviderStrategy"]
    )


def test_https_leaves_no_port_open_without_it(cloud: Cloud, full: Terraform) -> None:
    """The certificate's listener is the only one, and admits only the configured addresses."""
    balancer, _, (listener,) = load_balancer(cloud, "reviews")
    assert ("HTTPS", 443) == (listener["Protocol"], listener["Port"])
    (certificate,) = cloud.client("acm").list_certificates()["CertificateSummaryList"]
    assert [certificate["CertificateArn"]] == [item["CertificateArn"] for item in listener["Certificates"]]
    assert "ELBSecurityPolicy-TLS13-1-2-2021-06" == listener["SslPolicy"]
    (outer,) = balancer["SecurityGroups"]
    assert {(443, "203.0.113.0/24"), (443, "198.51.100.7/32")} == rules(cloud, outer, egress=False)
    assert "https://reviews.example.com" == full.outputs("service")["url"]


def test_five_alarms_tell_the_topic_and_name_their_runbook(cloud: Cloud, full: Terraform) -> None:
    """Each alarm's description names an existing section of the guide."""
    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix="reviews-")["MetricAlarms"]
    guide = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()
    assert 5 == len(alarms)
    for alarm in alarms:
        assert [TOPIC] == alarm["AlarmActions"]
        name = alarm["AlarmName"].removeprefix("reviews-")
        assert alarm["AlarmDescription"].endswith(f"docs/deployment.md#{name}")
        assert f"\n### {name}\n" in guide


def test_a_network_that_was_there_is_used_and_left_alone(cloud: Cloud, full: Terraform) -> None:
    """Tasks run in the given subnets without public addresses, and no other network is created."""
    network = service(cloud, "reviews")["networkConfiguration"]["awsvpcConfiguration"]
    assert "DISABLED" == network["assignPublicIp"]
    made = cloud.client("ec2").describe_vpcs(Filters=[{"Name": "tag:application", "Values": ["reviews"]}])["Vpcs"]
    assert [] == made
