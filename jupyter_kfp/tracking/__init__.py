"""Runs in MLflow: parameters, metrics, artifacts, registered models, and links both ways.

A run says when it starts whether and where (:mod:`~jupyter_kfp.tracking.settings`); when it has ended, here or on a
cluster, a process of its own tells MLflow (:mod:`~jupyter_kfp.tracking.sync`), so that neither a slow nor a missing
server touches the run. What is told is decided in :mod:`~jupyter_kfp.tracking.report`, which knows no MLflow.
"""
