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
  target_type = "ip" # tasks have their own addresses
  protocol    = "HTTP"
  port        = local.port

  # A review takes ten times as long as a sentence: whoever has the fewest requests gets the next.
  load_balancing_algorithm_type = "least_outstanding_requests"

  # An old task gets no new requests but may answer those it has for this long; only then comes SIGTERM.
  deregistration_delay = var.request_timeout_s

  health_check {
    path                = "/health/ready"
    matcher             = "200"
    interval            = 5 # a task that Spot takes away drains at once, and is noticed by this alone
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

# With a certificate nothing listens on port 80: a redirect would come after the caller has sent its key in the open, and
# it turns a POST into a GET.
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
