"""REST, live events, the Python client."""
