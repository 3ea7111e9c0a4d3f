"""What a run tells the world when it has ended: spans, metrics and notifications.

A process of its own (``python -m jupyter_kfp.observe RUN``) does it, from what the store has, once the run is over:
no step waits for it, and nothing that fails here fails a run. It is started only where something is configured
(`settings`), by the engine when it ends, or by its guard when it dies. What it has to say goes to ``observe.log`` in
the run's directory.
"""
