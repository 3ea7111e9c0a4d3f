"""What is remembered of runs: runs, tasks, attempts, parameters, artifacts, and how they hang together.

`records` is what comes out (frozen dataclasses, quick to import), `store` the one class that reads and
writes, `schema` the tables, `database` the connection with its migrations and its errors, `location`
where everything lies on disk.
"""
