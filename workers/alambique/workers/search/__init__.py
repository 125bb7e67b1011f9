"""A search over students: what is tried, on Ray Tune, and what comes of it."""
