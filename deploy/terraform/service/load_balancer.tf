resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = local.network.internal_load_balancer
  subnets                    = local.network.load_balancer_subnets
  security_groups            = [aws_security_group.load_balancer.id]
  idle_timeout               = local.idle_timeout_s
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "this" {
  name        = var.name
  vpc_id      = local.network.vpc_id
  target_type = "ip" # each task has its own address
  protocol    = "HTTP"
  port        = local.port

  # A review takes ten times as long as a sentence, so the task with the fewest open requests gets the next one.
  load_balancing_algorithm_type = "least_outstanding_requests"

  # An old task gets no new requests and has this long to answer the open ones. SIGTERM follows.
  deregistration_delay = var.request_timeout_s

  health_check {
    path                = "/health/ready"
    matcher             = "200"
    interval            = 5 # a task that Spot reclaims drains at once, and only this check detects it
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

# With a certificate nothing listens on port 80. A redirect would come after the caller has sent its key unencrypted,
# and would turn a POST into a GET.
resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = var.https == null ? "HTTP" : "HTTPS"
  port              = local.public_port
  ssl_policy        = var.https == null ? null : "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = try(var.https.certificate_arn, null)

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

check "open_to_the_world" {
  assert {
    condition     = var.api_key_secret_arn != null || local.network.internal_load_balancer || !contains(var.allowed_cidrs, "0.0.0.0/0")
    error_message = "Anybody can use this deployment at your cost: set api_key_secret_arn, or narrow allowed_cidrs."
  }
  assert {
    condition     = var.api_key_secret_arn == null || var.https != null
    error_message = "API keys travel unencrypted: set https."
  }
}
