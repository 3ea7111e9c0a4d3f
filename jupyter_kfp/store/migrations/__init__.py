"""Alembic's scripts: one file per change of the schema, applied when a store is opened."""
