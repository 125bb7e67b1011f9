"""What the networks of a job are registered as."""

from uuid import UUID


def model_name(given: str | None, job: UUID, role: str) -> str:
    """What the version of that role is called."""
    name = given or f"job-{str(job)[-12:]}"
    return name if role == "distilled" else f"{name}-{role}"


def registering(project: str, weights: str) -> str:
    """The name under which one job at a time registers weights: the next one finds them there."""
    return f"version:{project}:{weights}"
