# Two targets; the one that requires more tasks wins. The request count reacts within a minute or two, before the CPU
# average does. The CPU average also reflects the length of the texts.

locals {
  # 20 requests per second on a quarter of a vCPU: about a third of the measured throughput of single sentences.
  requests_per_task = coalesce(var.requests_per_task, 1200 * var.cpu / 256)
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this.name}"
  min_capacity       = var.min_tasks
  max_capacity       = var.max_tasks
}

resource "aws_appautoscaling_policy" "this" {
  for_each = {
    cpu = {
      metric = "ECSServiceAverageCPUUtilization"
      label  = null
      target = var.cpu_target_percent
    }
    requests = {
      metric = "ALBRequestCountPerTarget"
      label  = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.this.arn_suffix}"
      target = local.requests_per_task
    }
  }

  name               = each.key
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60  # a new task accepts requests within this time
    scale_in_cooldown  = 300 # load usually returns, and a task costs a tenth of a cent in this time

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
      resource_label         = each.value.label
    }
  }
}
