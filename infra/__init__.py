"""Deployment and operation: the local store, the deployment, the MLflow server, and tools for stacks on AWS."""
