"""Says what a function finds where it runs."""

import importlib
import json
import os
import sys
from typing import Any


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    name = (event.get("pathParameters") or {}).get("name", "json")
    module = importlib.import_module(name)
    found = {
        "file": module.__file__,
        "version": getattr(module, "__version__", ""),
        "greeting": getattr(module, "GREETING", ""),
        "python": list(sys.version_info[:2]),
        "environment": dict(os.environ),
    }
    return {"statusCode": 200, "body": json.dumps(found)}
