"""Run by Alembic: migrate the store whose engine `database` hands over."""

from alembic import context
from sqlalchemy import Engine, text

from jupyter_kfp.store.schema import Base

# Any number that nothing else on a shared PostgreSQL server is likely to lock.
_ADVISORY_LOCK = 5_307_011


def _run() -> None:
    engine: Engine = context.config.attributes["engine"]
    write = engine.execution_options(jupyter_kfp_write=True)
    with write.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=engine.dialect.name == "sqlite",
        )
        context.run_migrations()


_run()
