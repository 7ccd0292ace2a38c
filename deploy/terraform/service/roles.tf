# Two roles. The execution role lets ECS start a task. The task role of the server has no permissions.

locals {
  # Derived from the image's address if it is in ECR. Other registries need no AWS permission.
  ecr        = regexall("^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.[a-z.]+/([^@]+)@", var.image)
  repository = [for part in local.ecr : "arn:${local.partition}:ecr:${part[1]}:${part[0]}:repository/${part[2]}"]
  is_ssm     = try(strcontains(var.api_key_secret_arn, ":ssm:"), false)
  # A JSON key may follow a secret's ARN without being part of it: arn:…:secret:name-abc123:key::
  secret_arn = try(regex("^arn:[^:]+:secretsmanager:[^:]+:[^:]+:secret:[^:]+", var.api_key_secret_arn), var.api_key_secret_arn)
}

data "aws_iam_policy_document" "tasks_assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition { # refuses calls on behalf of another account
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  dynamic "statement" {
    for_each = length(local.repository) > 0 ? [1] : []
    content {
      sid       = "LogInToEcr"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"] # AWS accepts no narrower resource here
    }
  }

  dynamic "statement" {
    for_each = length(local.repository) > 0 ? [1] : []
    content {
      sid       = "PullTheImage"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = local.repository
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  dynamic "statement" {
    for_each = var.api_key_secret_arn == null ? [] : [1]
    content {
      sid       = "ReadTheApiKeys"
      actions   = [local.is_ssm ? "ssm:GetParameters" : "secretsmanager:GetSecretValue"]
      resources = [local.secret_arn]
    }
  }
}

data "aws_iam_policy_document" "model_volume" {
  count = var.model_volume == null ? 0 : 1

  statement {
    sid       = "ReadTheModel"
    actions   = ["elasticfilesystem:ClientMount"] # without ClientWrite: read-only
    resources = ["arn:${local.partition}:elasticfilesystem:${local.region}:${local.account}:file-system/${var.model_volume.file_system_id}"]
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = ["arn:${local.partition}:elasticfilesystem:${local.region}:${local.account}:access-point/${var.model_volume.access_point_id}"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-execution-"
  description        = "ECS starts the tasks of ${var.name}: pulls the image, writes logs, reads the API keys"
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

resource "aws_iam_role" "task" {
  name_prefix        = "${var.name}-task-"
  description        = "The server of ${var.name}; it calls no AWS service"
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
}

resource "aws_iam_role_policy" "model_volume" {
  count = var.model_volume == null ? 0 : 1

  name   = "read-the-model"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.model_volume[0].json
}
