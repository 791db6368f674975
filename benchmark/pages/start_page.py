"""Turns MLflow's start page into one that opens for model training, without its assistant."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from benchmark.processes.identity import ProcessName

if TYPE_CHECKING:
    from fastapi import FastAPI
    from flask import Response

SERVED_FOR = "BENCH_SERVED_FOR"
"""Variable with the process whose end is the server's, since a killed one cannot end it."""
# MLflow keeps these choices in the browser only; those that somebody made are left as they are.
_SCRIPT = """<script>
  const defaults = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": true,
  };
  for (const [name, value] of Object.entries(defaults))
    if (localStorage.getItem(name) === null) localStorage.setItem(name, JSON.stringify(value));
</script>"""


def create_app() -> FastAPI:
    """Make MLflow's own application with that start page: ``mlflow server --app-name bench``."""
    if process := ProcessName.read(os.environ.get(SERVED_FOR, "")):
        threading.Thread(target=_end_with, args=(process,), daemon=True).start()
    from flask import request
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app as server

    @pages.after_request
    def add_script(response: Response) -> Response:
        if request.path == "/":
            response.direct_passthrough = False  # MLflow sends a file
            page = response.get_data(as_text=True)
            response.set_data(page.replace("<head>", f"<head>{_SCRIPT}", 1))
        return response

    application: FastAPI = server
    return application


def _end_with(process: ProcessName) -> None:
    while not process.is_dead:
        time.sleep(1)
    os._exit(0)  # at once: the server would wait for pages that are open
