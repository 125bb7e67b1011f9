"""Where Alembic begins: on the connection that `Database.upgrade` gives, else on `-x url=…`."""

from alembic import context
from sqlalchemy import Connection, create_engine

from alambique.registry.tables import Table


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        render_as_batch=True,  # SQLite cannot alter most things in place
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    with create_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as made:
        migrate(made)
