resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_ecs_service" "this" {
  name             = var.name
  cluster          = aws_ecs_cluster.this.id
  task_definition  = aws_ecs_task_definition.this.arn
  desired_count    = var.min_tasks
  platform_version = "LATEST"
  propagate_tags   = "SERVICE"

  enable_ecs_managed_tags       = true
  availability_zone_rebalancing = "ENABLED"

  dynamic "capacity_provider_strategy" {
    for_each = var.spot_percent < 100 ? [1] : []
    content {
      capacity_provider = "FARGATE"
      base              = 1
      weight            = 100 - var.spot_percent
    }
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.spot_percent > 0 ? [1] : []
    content {
      capacity_provider = "FARGATE_SPOT"
      weight            = var.spot_percent
    }
  }

  network_configuration {
    subnets          = local.network.task_subnets
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = local.network.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "verdict"
    container_port   = local.port
  }

  # New tasks start beside the old ones, which stop when the new ones are healthy. If the new tasks do not become
  # healthy, ECS returns to the last revision that did.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  lifecycle {
    ignore_changes = [desired_count] # set by autoscaling
  }

  depends_on = [
    aws_ecs_cluster_capacity_providers.this,
    aws_iam_role_policy.execution, # tasks cannot start without this policy
    aws_lb_listener.this,          # ECS refuses a target group without a listener
    aws_route_table_association.public,
    aws_vpc_security_group_egress_rule.aws_services,
  ]
}
