"""SQL: jobs and their events, models and versions."""
