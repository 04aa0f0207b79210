"""What starts refresh and ingest, and how they tell what became of it."""
