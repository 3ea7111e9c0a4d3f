"""Pipelines on a cluster.

Which cluster (`profiles`), talking to it (`http`, `client`), handing it pipelines (`submit`, `versions`,
`schedules`, `trigger`), bringing results back (`follow`, `artifacts`).

The client is a small one of our own: `kfp.Client` costs seconds to import, waits for ever for a server that
says nothing, and takes a login page for an empty list.
"""
