"""Tests of the deployment files: Terraform, Kubernetes, Cloud Run, Ray and the workflow."""
