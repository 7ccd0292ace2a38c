output "url" {
  description = "Where callers send their requests."
  value       = var.https == null ? "http://${aws_lb.this.dns_name}" : "https://${var.https.domain_name}"
}

output "load_balancer_dns_name" {
  description = "The target of the certificate's domain name (CNAME, or alias with load_balancer_zone_id)."
  value       = aws_lb.this.dns_name
}

output "load_balancer_zone_id" {
  description = "For an alias record in Route 53."
  value       = aws_lb.this.zone_id
}

output "cluster" {
  description = "For aws ecs --cluster."
  value       = aws_ecs_cluster.this.name
}

output "service" {
  description = "For aws ecs --service."
  value       = aws_ecs_service.this.name
}

output "task_definition" {
  description = "The task definition revision of this apply."
  value       = aws_ecs_task_definition.this.arn
}

output "image" {
  description = "The image of this apply, by digest."
  value       = var.image
}

output "log_group" {
  description = "For aws logs tail."
  value       = aws_cloudwatch_log_group.this.name
}

output "task_security_group_id" {
  description = "For additional rules, such as access to a file system or a trace collector."
  value       = aws_security_group.task.id
}
