"""A server for the tests that speaks the Kubeflow Pipelines API (v2beta1) over real HTTP.

Its state is in a database, every request and response is checked against KFP's Swagger file, every IR is
parsed with the pipeline-spec protobuf, and runs are executed by this project's own engine. What it shows
of a run is what KFP 2.17 shows: the nodes of an Argo workflow by display name, and artifacts under
``<pipeline root>/<pipeline>/<run>/<task>/<salt>/<port>``. It can misbehave on request (`faults`).

``python -m tests.kfp_server --home DIR`` starts one; `process.start` does so for tests.
"""
