"""What runs the service elsewhere than in a test: the local store, the deployment, the fallback's compose file."""
