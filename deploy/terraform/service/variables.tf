variable "name" {
  description = "Name of all resources of this deployment. Each deployment in an account needs its own name."
  type        = string
  default     = "verdict"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name))
    error_message = "name=${var.name}: use 2 to 24 of a-z, 0-9 and -, beginning with a letter (load balancers allow 32, some of which are used up)."
  }
}

variable "image" {
  description = "Image to run, by digest: REGISTRY/NAME@sha256:…"
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image=${var.image} is not REGISTRY/NAME@sha256:…: a tag may mean another image tomorrow, a digest never does."
  }
}

# Size and content of a task

variable "cpu" {
  description = "CPU units of a task; 1024 are one vCPU."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "cpu=${var.cpu}: take 256, 512, 1024, 2048 or 4096; beyond that, more tasks serve better than larger ones."
  }
}

variable "memory" {
  description = "Memory of a task in MiB. The server with the default model needs about 200."
  type        = number
  default     = 512

  validation {
    condition = try(contains({ # the validation of cpu reports a wrong cpu
      256  = [512, 1024, 2048]
      512  = [1024, 2048, 3072, 4096]
      1024 = [2048, 3072, 4096, 5120, 6144, 7168, 8192]
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
    }[var.cpu], var.memory), true)
    error_message = "memory=${var.memory} does not go with cpu=${var.cpu} on Fargate: 256 takes 512, 1024 or 2048; 512 takes 1024 to 4096; 1024 takes 2048 to 8192; 2048 takes 4096 to 16384; 4096 takes 8192 to 30720, in steps of 1024."
  }
}

variable "architecture" {
  description = "CPU of the tasks: X86_64, or ARM64 with an image built for it (cheaper; the artifact must have been exported for it)."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture=${var.architecture}: take X86_64 or ARM64."
  }
}

variable "environment" {
  description = "Other settings of the server, such as { VERDICT_CACHE_ITEMS = \"10000\" }; `python -m server --help` lists them."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.environment), local.own_settings)) == 0
    error_message = "environment sets ${join(", ", setintersection(keys(var.environment), local.own_settings))}, which this module sets itself: use its variables (request_timeout_s, drain_timeout_s, api_key_secret_arn, model_volume); host and port are fixed."
  }
}

variable "api_key_secret_arn" {
  description = "Secrets Manager secret or SSM parameter with the keys that callers must send, separated by commas. None leaves the API open."
  type        = string
  default     = null

  validation {
    condition     = var.api_key_secret_arn == null || can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).+$", var.api_key_secret_arn))
    error_message = "api_key_secret_arn must be the ARN of a Secrets Manager secret (arn:aws:secretsmanager:…:secret:…) or of an SSM parameter (arn:aws:ssm:…:parameter/…), never a key itself."
  }
}

variable "request_timeout_s" {
  description = "Seconds after which a waiting request gets 504. The load balancer gives an old task the same time to end its requests."
  type        = number
  default     = 30

  validation {
    condition     = var.request_timeout_s >= 1 && var.request_timeout_s < local.idle_timeout_s && floor(var.request_timeout_s) == var.request_timeout_s
    error_message = "request_timeout_s=${var.request_timeout_s}: take whole seconds from 1 to ${local.idle_timeout_s - 1}; the load balancer gives up on a silent request after ${local.idle_timeout_s}."
  }
}

variable "drain_timeout_s" {
  description = "Seconds that a task has after SIGTERM to answer its admitted requests. Fargate kills it 5 s later."
  type        = number
  default     = 25

  validation {
    condition     = var.drain_timeout_s >= 0 && var.drain_timeout_s + local.exit_margin_s <= 120 && floor(var.drain_timeout_s) == var.drain_timeout_s
    error_message = "drain_timeout_s=${var.drain_timeout_s}: take whole seconds from 0 to ${120 - local.exit_margin_s}; Fargate kills a task 120 s after SIGTERM at the latest and the server needs ${local.exit_margin_s} of them to end."
  }
}

variable "model_volume" {
  description = "Serve a model from EFS instead of the image's: artifact is the path of its directory below the access point, such as sentiment-2."
  type = object({
    file_system_id  = string
    access_point_id = string
    artifact        = string
  })
  default = null

  validation {
    condition     = var.model_volume == null || can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.model_volume.artifact))
    error_message = "model_volume.artifact must be a relative path such as sentiment-2."
  }
}

# Number of tasks

variable "min_tasks" {
  description = "Tasks that always run. Two run in two zones; with one, a failed zone is an outage."
  type        = number
  default     = 2

  validation {
    condition     = var.min_tasks >= 1 && var.min_tasks <= var.max_tasks
    error_message = "min_tasks=${var.min_tasks} must be from 1 to max_tasks=${var.max_tasks}."
  }
}

variable "max_tasks" {
  description = "Maximum number of tasks, which limits the cost."
  type        = number
  default     = 8
}

variable "cpu_target_percent" {
  description = "Target of autoscaling for average CPU, in percent. The rest is the reserve for a burst while a task starts."
  type        = number
  default     = 60

  validation {
    condition     = var.cpu_target_percent >= 10 && var.cpu_target_percent <= 90
    error_message = "cpu_target_percent=${var.cpu_target_percent}: take 10 to 90."
  }
}

variable "requests_per_task" {
  description = "Target of autoscaling, in requests per minute and task. Measure yours: docs/deployment.md, Sizing. The default suits single sentences."
  type        = number
  default     = null

  validation {
    condition     = var.requests_per_task == null ? true : var.requests_per_task >= 1
    error_message = "requests_per_task must be at least 1."
  }
}

variable "spot_percent" {
  description = "Percentage of tasks on Fargate Spot, which is about 70 % cheaper; AWS reclaims a task with two minutes' notice. Below 100, one task is never on Spot."
  type        = number
  default     = 0

  validation {
    condition     = var.spot_percent >= 0 && var.spot_percent <= 100 && floor(var.spot_percent) == var.spot_percent
    error_message = "spot_percent=${var.spot_percent}: take a whole number from 0 to 100."
  }
}

# Access

variable "https" {
  description = "Certificate (ACM, same region) and its domain name, which you point to the output load_balancer_dns_name. None serves plain HTTP."
  type = object({
    certificate_arn = string
    domain_name     = string
  })
  default = null
}

variable "allowed_cidrs" {
  description = "Addresses that may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "allowed_cidrs must be IPv4 ranges such as 203.0.113.0/24."
  }
}

variable "network" {
  description = "Use an existing network. Tasks in private subnets need a way to ECR, S3, CloudWatch Logs and Secrets Manager (NAT or endpoints). None creates a small VPC with public subnets."
  type = object({
    vpc_id                 = string
    load_balancer_subnets  = list(string)
    task_subnets           = list(string)
    assign_public_ip       = optional(bool, false)
    internal_load_balancer = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.load_balancer_subnets) >= 2 && length(var.network.task_subnets) >= 1
    error_message = "network needs at least two load_balancer_subnets in different zones and one task_subnet."
  }
}

# Logs, alarms and metrics

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days=${var.log_retention_days}: CloudWatch takes 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 or whole years up to ten."
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic for the five alarms of docs/deployment.md. None creates no alarms."
  type        = string
  default     = null
}

variable "container_insights" {
  description = "Memory and network metrics per task in CloudWatch, for a few dollars per month."
  type        = bool
  default     = false
}
