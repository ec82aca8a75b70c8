"""How Alembic runs the migrations; `nas.store.schema` hands it a connection, so there is no alembic.ini.

To change the schema: change tables.py; on a database at the newest revision run
`alembic.command.revision(schema.config(connection), "what changes", autogenerate=True, rev_id="0002")`;
read what it wrote, name the file v0002_what_changes.py, and add the revision to `schema.REVISIONS`.
"""

from __future__ import annotations

from alembic import context

from nas.store.tables import VERSION_TABLE, metadata


def _ours(name: str | None, kind: str, parents: object) -> bool:
    # The database may be shared with other programs: leave their tables alone.
    return kind != "table" or (name is not None and name.startswith("nas_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=_ours,
    render_as_batch=True,  # SQLite alters most things by rebuilding the table
)
with context.begin_transaction():
    context.run_migrations()
