"""A service that sets every variable, in an existing network."""

from typing import Any

from tests.deploy.cloud import Cloud

KEYS = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:verdict/keys-AbCdEf"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:on-call"


def ask_for_everything(cloud: Cloud) -> dict[str, Any]:
    """Create a network and a certificate in the cloud; return values for all variables, these two included."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{n}.0/24", AvailabilityZone=f"eu-central-1{zone}")
        for n, zone in enumerate("abab")
    ]
    names = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
    certificate = cloud.client("acm").request_certificate(DomainName="reviews.example.com")["CertificateArn"]
    return {
        "name": "reviews",
        "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/reviews@sha256:" + "0" * 64,
        "cpu": 1024,
        "memory": 2048,
        "architecture": "ARM64",
        "environment": {"VERDICT_CACHE_ITEMS": "1000"},
        "api_key_secret_arn": KEYS,
        "request_timeout_s": 20,
        "drain_timeout_s": 15,
        "model_volume": {"file_system_id": "fs-1", "access_point_id": "fsap-1", "artifact": "reviews-2"},
        "min_tasks": 1,
        "max_tasks": 3,
        "spot_percent": 70,
        "https": {"certificate_arn": certificate, "domain_name": "reviews.example.com"},
        "allowed_cidrs": ["203.0.113.0/24", "198.51.100.7/32"],
        "network": {"vpc_id": vpc, "load_balancer_subnets": names[:2], "task_subnets": names[2:]},
        "alarm_topic_arn": TOPIC,
        "container_insights": True,
    }
