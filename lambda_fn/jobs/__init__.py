"""Parts of jobs: the loop over pairs, the recognition of events, and logs and metrics."""
