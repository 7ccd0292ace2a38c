# A new VPC if no network is given: public subnets in two zones, without a NAT gateway, which would cost more than the
# tasks. Tasks have public addresses to reach ECR and the logs. Their security group admits only the load balancer.

data "aws_availability_zones" "this" {
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "this" {
  count = var.network == null ? 1 : 0

  cidr_block           = "10.42.0.0/24"
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_subnet" "public" {
  count = var.network == null ? 2 : 0

  vpc_id            = aws_vpc.this[0].id
  cidr_block        = cidrsubnet(aws_vpc.this[0].cidr_block, 1, count.index)
  availability_zone = data.aws_availability_zones.this.names[count.index]
  tags              = { Name = "${var.name}-${count.index}" }

  lifecycle {
    ignore_changes = [availability_zone] # a zone that AWS adds later must not move a subnet
  }
}

resource "aws_internet_gateway" "this" {
  count = var.network == null ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }
}

resource "aws_route_table" "public" {
  count = var.network == null ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this[0].id
  }
}

resource "aws_route_table_association" "public" {
  count = var.network == null ? 2 : 0

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public[0].id
}

locals {
  network = var.network != null ? var.network : {
    vpc_id                 = aws_vpc.this[0].id
    load_balancer_subnets  = aws_subnet.public[*].id
    task_subnets           = aws_subnet.public[*].id
    assign_public_ip       = true
    internal_load_balancer = false
  }
}

# Callers reach the load balancer, and the load balancer reaches the tasks. All other traffic is blocked.

resource "aws_security_group" "load_balancer" {
  name_prefix = "${var.name}-load-balancer-"
  description = "Callers of ${var.name}"
  vpc_id      = local.network.vpc_id
  tags        = { Name = "${var.name}-load-balancer" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "callers" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.load_balancer.id
  description       = "Callers"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = local.public_port
  to_port           = local.public_port
}

resource "aws_vpc_security_group_egress_rule" "to_tasks" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Requests and health checks"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_security_group" "task" {
  name_prefix = "${var.name}-task-"
  description = "Tasks of ${var.name}"
  vpc_id      = local.network.vpc_id
  tags        = { Name = "${var.name}-task" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "from_load_balancer" {
  security_group_id            = aws_security_group.task.id
  description                  = "Requests and health checks"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "aws_services" {
  security_group_id = aws_security_group.task.id
  description       = "ECR, S3, CloudWatch Logs and Secrets Manager"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "model_volume" {
  count = var.model_volume == null ? 0 : 1

  security_group_id = aws_security_group.task.id
  description       = "EFS"
  cidr_ipv4         = "0.0.0.0/0" # a mount target can be in any subnet; the file system's security group controls access
  ip_protocol       = "tcp"
  from_port         = 2049
  to_port           = 2049
}
