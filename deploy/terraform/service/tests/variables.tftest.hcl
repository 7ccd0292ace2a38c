# Terraform refuses invalid values before it creates anything. Run: terraform test

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b"] }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  image         = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/verdict@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  allowed_cidrs = ["203.0.113.0/24"]
}

run "each_value_that_can_not_work_is_refused" {
  command = plan
  expect_failures = [
    var.image, var.memory, var.drain_timeout_s, var.request_timeout_s, var.environment, var.api_key_secret_arn,
    var.min_tasks, var.network, var.model_volume, var.spot_percent, var.log_retention_days, var.name,
  ]
  variables {
    image              = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/verdict:latest" # a tag
    cpu                = 1024
    memory             = 512                                 # does not fit that cpu
    drain_timeout_s    = 116                                 # Fargate kills the task earlier
    request_timeout_s  = 60                                  # the load balancer gives up at the same time
    environment        = { VERDICT_DRAIN_TIMEOUT_S = "300" } # bypasses its variable
    api_key_secret_arn = "s3cret"                            # a key instead of its ARN
    min_tasks          = 3
    max_tasks          = 2
    network            = { vpc_id = "vpc-1", load_balancer_subnets = ["subnet-1"], task_subnets = ["subnet-1"] }
    model_volume       = { file_system_id = "fs-1", access_point_id = "fsap-1", artifact = "/etc" }
    spot_percent       = 101
    log_retention_days = 8
    name               = "Verdict"
  }
}

run "a_cpu_that_fargate_does_not_sell_is_refused" {
  command         = plan
  expect_failures = [var.cpu]
  variables {
    cpu = 300
  }
}

run "a_key_over_plain_http_is_told_of" {
  command         = plan
  expect_failures = [check.open_to_the_world]
  variables {
    api_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:verdict-AbCdEf"
  }
}

run "times_follow_from_one_another_and_open_without_a_key_is_told_of" {
  command         = plan
  expect_failures = [check.open_to_the_world]
  variables {
    allowed_cidrs     = ["0.0.0.0/0"]
    request_timeout_s = 20
    drain_timeout_s   = 115
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 120
    error_message = "the server is killed before it has drained"
  }
  assert {
    condition     = tonumber(aws_lb_target_group.this.deregistration_delay) == 20
    error_message = "an old task is not left the time that a request may take"
  }
  assert {
    condition     = aws_lb.this.idle_timeout > 20 && aws_lb.this.idle_timeout < 75
    error_message = "the load balancer gives up before the server answers, or keeps connections for longer than the server"
  }
}
