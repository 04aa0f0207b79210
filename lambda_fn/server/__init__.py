"""The API without AWS: `python -m lambda_fn.server` turns HTTP into events for Lambda's handler."""
