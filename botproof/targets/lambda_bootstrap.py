"""Runs a Python function as AWS Lambda does: a client of the Lambda Runtime API.

Started by path by `lambda_front.py`, with nothing but the standard library, so that it runs in the
environment of the function. `_HANDLER` names the function as AWS does: `package.module.function`;
`LAMBDA_TASK_ROOT` is where the code lies. Source: "Using the Lambda runtime API", AWS.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

_API = "/2018-06-01/runtime"


class Context:
    """What a handler is told of its invocation."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"] or ""
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"] or ""
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
        self.log_group_name = self.log_stream_name = "botproof"
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"] or 0)

    def get_remaining_time_in_millis(self) -> int:
        """Return milliseconds until the function is cut off."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


Handler = Callable[[Any, Context], Any]


def load(name: str) -> Handler:
    """Return the function that `name` names. Raises what importing it raises."""
    module, _, function = name.rpartition(".")
    found: Handler = getattr(importlib.import_module(module), function)
    return found


def main() -> int:
    """Ask for events and handle them for ever; 1 when the function cannot be loaded."""
    sys.path.insert(0, os.environ.get("LAMBDA_TASK_ROOT", "."))
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as error:  # whatever keeps it from loading is told to the front
        traceback.print_exc()
        _post(api, f"{_API}/init/error", _as_error(error))
        return 1
    while True:
        _handle_next(api, handler)


def _handle_next(api: http.client.HTTPConnection, handler: Handler) -> None:
    api.request("GET", f"{_API}/invocation/next")
    response = api.getresponse()
    event = json.loads(response.read())
    context = Context(response.headers)
    path = f"{_API}/invocation/{context.aws_request_id}"
    try:
        returned = json.dumps(handler(event, context))
    except Exception as error:  # whatever a handler raises is its answer
        traceback.print_exc()
        _post(api, f"{path}/error", _as_error(error))
    else:
        _post(api, f"{path}/response", returned)


def _as_error(error: Exception) -> str:
    return json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})


def _post(api: http.client.HTTPConnection, path: str, body: str) -> None:
    api.request("POST", path, body, {"Content-Type": "application/json"})
    api.getresponse().read()


if __name__ == "__main__":
    sys.exit(main())
