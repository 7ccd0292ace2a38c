"""Tests of what is handed to those who deploy the server: Terraform, Kubernetes, Cloud Run, the workflow."""
