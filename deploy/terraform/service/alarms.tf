# The five alarms of docs/deployment.md, based on metrics that AWS collects itself.

locals {
  load_balancer_dimensions = {
    LoadBalancer = aws_lb.this.arn_suffix
    TargetGroup  = aws_lb_target_group.this.arn_suffix
  }
  alarms = {
    no-healthy-task = {
      what      = "No task accepts requests."
      namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Minimum", dimensions = local.load_balancer_dimensions
      below     = true, threshold = 1, minutes = 2, missing = "breaching"
    }
    server-errors = {
      what      = "More than ten responses per minute are 500, 503 or 504."
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", dimensions = local.load_balancer_dimensions
      below     = false, threshold = 10, minutes = 3, missing = "notBreaching"
    }
    load-balancer-errors = {
      what      = "The load balancer itself responds with 502, 503 or 504: a task ended or did not respond."
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum", dimensions = { LoadBalancer = aws_lb.this.arn_suffix }
      below     = false, threshold = 10, minutes = 3, missing = "notBreaching"
    }
    slow = {
      what      = "One request in a hundred takes longer than a second."
      namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p99", dimensions = local.load_balancer_dimensions
      below     = false, threshold = 1, minutes = 10, missing = "notBreaching"
    }
    saturated = {
      what      = "Tasks have used all their CPU for ten minutes; autoscaling is at max_tasks or does not help."
      namespace = "AWS/ECS", metric = "CPUUtilization", statistic = "Average", dimensions = { ClusterName = aws_ecs_cluster.this.name, ServiceName = aws_ecs_service.this.name }
      below     = false, threshold = 90, minutes = 10, missing = "notBreaching"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarm_topic_arn != null }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.what} What to do: docs/deployment.md#${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.below ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
