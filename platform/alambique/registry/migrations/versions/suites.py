"""Suites: the cell of each job, and the key that a client named a suite by."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("suites", sa.Column("key", sa.Text()))
    op.create_index("ix_suites_project_key", "suites", ["project", "key"], unique=True)
    op.add_column("jobs", sa.Column("cell", sa.JSON()))
    op.create_index("ix_jobs_suite_id_id", "jobs", ["suite_id", "id"])
