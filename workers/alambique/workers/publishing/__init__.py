"""A registered version as a signed folder or a commit of the hub, with its card."""
