# The registry of the image. It is a separate module because it must exist before the image is pushed.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

# Region and account come from the environment (AWS_REGION, AWS_PROFILE, …), as with the aws command.
provider "aws" {
  default_tags {
    tags = { application = var.name, managed-by = "terraform" }
  }
}

variable "name" {
  description = "Name of the repository and of all other resources of this deployment."
  type        = string
  default     = "verdict"
}

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE" # a tag always names the same image
  force_delete         = true        # `make destroy` removes the images too

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last 30 images to roll back to."
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}

output "repository_url" {
  description = "Push target: REGISTRY/NAME."
  value       = aws_ecr_repository.this.repository_url
}
