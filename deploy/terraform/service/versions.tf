terraform {
  required_version = ">= 1.9" # validations that read other variables
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

data "aws_region" "this" {}
data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
