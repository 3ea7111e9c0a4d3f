"""What KServe takes as an ``InferenceService``, as JSON Schema: its API ``serving.kserve.io/v1beta1``, for predictors.

After KServe's reference (``pkg/apis/serving/v1beta1``: ComponentExtensionSpec, PredictorSpec, ModelSpec) and Kubernetes'
rules for names and quantities. Unknown fields are refused, as the API server does with strict validation.
"""

from __future__ import annotations

from typing import Any

_NAME = {"type": "string", "pattern": r"^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_TEXTS = {"type": "object", "propertyNames": {"pattern": _KEY}, "additionalProperties": {"type": "string"}}
_LABELS = {
    **_TEXTS,
    "additionalProperties": {"type": "string", "maxLength": 63, "pattern": r"^[A-Za-z0-9._-]*$"},
}
_QUANTITIES = {
    "type": "object",
    "additionalProperties": {"type": "string", "pattern": r"^\d+(\.\d+)?(m|[EPTGMk]i?|Ki)?$"},
}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


INFERENCE_SERVICE = _object(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "serving.kserve.io/v1beta1"},
    kind={"const": "InferenceService"},
    metadata=_object(("name",), name=_NAME, namespace=_NAME, labels=_LABELS, annotations=_TEXTS),
    spec=_object(
        ("predictor",),
        predictor=_object(
            ("model",),
            canaryTrafficPercent={"type": "integer", "minimum": 0, "maximum": 100},
            minReplicas={"type": "integer", "minimum": 0},
            maxReplicas={"type": "integer", "minimum": 1},
            serviceAccountName=_NAME,
            model=_object(
                ("modelFormat", "storageUri"),
                modelFormat=_object(
                    ("name",),
                    name={
                        "enum": ["sklearn", "xgboost", "lightgbm", "onnx", "pytorch", "tensorflow", "mlflow"]
                    },
                    version={"type": "string"},
                ),
                storageUri={"type": "string", "pattern": r"^(s3|gs|pvc|https?|hf)://\S+$"},
                runtime={"type": "string"},
                protocolVersion={"enum": ["v1", "v2"]},
                resources=_object(requests=_QUANTITIES, limits=_QUANTITIES),
            ),
        ),
    ),
)
DVC_FILE = _object(
    ("outs",),
    outs={
        "type": "array",
        "minItems": 1,
        "items": _object(
            ("md5", "path"),
            md5={"type": "string", "pattern": r"^[0-9a-f]{32}(\.dir)?$"},
            size={"type": "integer", "minimum": 0},
            hash={"const": "md5"},
            path={"type": "string"},
        ),
    },
)
"""What ``dvc add`` writes: https://dvc.org/doc/user-guide/project-structure/dvc-files"""
