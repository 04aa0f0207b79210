"""HTTP server of the API, for use without AWS."""
