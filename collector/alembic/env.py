"""How Alembic finds the schema: the connection is handed in by `Control.migrate`."""

from alembic import context

from driftline.collector.tables import Table

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Table.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
context.run_migrations()
