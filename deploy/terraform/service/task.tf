locals {
  account   = data.aws_caller_identity.this.account_id
  region    = data.aws_region.this.name
  partition = data.aws_partition.this.partition

  port        = 8080
  public_port = var.https == null ? 80 : 443

  # A request must end before its connection counts as idle. The server keeps connections for 75 s, longer than the
  # load balancer, which could otherwise send a request on a connection that has just closed.
  idle_timeout_s = 60
  # The part of stopTimeout after draining, in which the server closes and exits.
  exit_margin_s  = 5
  stop_timeout_s = max(2, var.drain_timeout_s + local.exit_margin_s)

  own_settings = [
    "VERDICT_HOST", "VERDICT_PORT", "PORT", "VERDICT_API_KEY", "VERDICT_ARTIFACT_DIR",
    "VERDICT_REQUEST_TIMEOUT_S", "VERDICT_DRAIN_TIMEOUT_S",
  ]
  environment = merge(
    {
      VERDICT_LOG_FORMAT = "json"
      # The CPU quota is set on the task, where the server cannot read it; it would count the machine's CPUs.
      VERDICT_INFERENCE_WORKERS = tostring(max(1, floor(var.cpu / 1024)))
    },
    var.environment,
    {
      VERDICT_HOST              = "0.0.0.0"
      VERDICT_PORT              = tostring(local.port)
      VERDICT_REQUEST_TIMEOUT_S = tostring(var.request_timeout_s)
      VERDICT_DRAIN_TIMEOUT_S   = tostring(var.drain_timeout_s)
    },
    var.model_volume == null ? {} : { VERDICT_ARTIFACT_DIR = "/models/${var.model_volume.artifact}" },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  skip_destroy             = true # a rollback needs the old revisions

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  dynamic "volume" {
    for_each = var.model_volume == null ? [] : [var.model_volume]
    content {
      name = "models"
      efs_volume_configuration {
        file_system_id     = volume.value.file_system_id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = volume.value.access_point_id
          iam             = "ENABLED"
        }
      }
    }
  }

  container_definitions = jsonencode([{
    name      = "verdict"
    image     = var.image
    essential = true

    portMappings = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    environment  = [for name, value in local.environment : { name = name, value = value }]
    secrets      = var.api_key_secret_arn == null ? [] : [{ name = "VERDICT_API_KEY", valueFrom = var.api_key_secret_arn }]
    mountPoints = var.model_volume == null ? [] : [
      { sourceVolume = "models", containerPath = "/models", readOnly = true }
    ]
    volumesFrom    = []
    systemControls = []

    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { add = [], drop = ["ALL"] }, initProcessEnabled = false }
    ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }] # two per connection, with a margin

    # This check only replaces a server that hangs; the load balancer's check decides which tasks get requests. It
    # shares the task's CPU, so its limits are wide: load on a quarter of a vCPU must not end a working task.
    healthCheck = {
      command     = ["CMD", "/usr/local/bin/python3", "-I", "-S", "/app/healthcheck.py"]
      interval    = 15
      timeout     = 10
      retries     = 4
      startPeriod = 60
    }

    stopTimeout = local.stop_timeout_s

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "task"
        mode                  = "non-blocking" # if logs cannot be delivered, lines are lost and requests are not delayed
        max-buffer-size       = "4m"
      }
    }
  }])
}
