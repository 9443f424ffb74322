"""Whether a component of the embedded stack is of use, and what is missing if not.

A check returns None, or one clause that says what is wrong. Checks look at the component itself, never at the
supervisor's opinion of it.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from typing import Any

Check = Callable[[], str | None]

AIRFLOW_JOBS = {
    "airflow-scheduler": "scheduler",
    "airflow-dag-processor": "dag_processor",
    "airflow-triggerer": "triggerer",
}
"""Program → its name in Airflow's health document."""


def direct_opener(authority: str | None = None) -> urllib.request.OpenerDirector:
    """An opener for loopback, past any proxy configured for the machine.

    :param authority: the certificate authority to trust for https, as PEM; the system's when None.
    """
    context = ssl.create_default_context(cadata=authority)
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answer_of(
    url: str, timeout_seconds: float = 3, opener: urllib.request.OpenerDirector = DIRECT
) -> tuple[int, bytes] | str:
    """Status and body of a GET on loopback, or the reason why there is none."""
    try:
        with opener.open(url, timeout=timeout_seconds) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def http_ok(url: str, opener: urllib.request.OpenerDirector = DIRECT) -> str | None:
    """The check of a server that answers 200."""
    answer = answer_of(url, opener=opener)
    if isinstance(answer, str):
        return f"{url} does not answer: {answer}"
    return None if answer[0] == 200 else f"{url} answers {answer[0]}"


def airflow_document(port: int) -> dict[str, Any] | str:
    """Airflow's health document (GET /api/v2/monitor/health), or why there is none."""
    answer = answer_of(f"http://127.0.0.1:{port}/api/v2/monitor/health")
    if isinstance(answer, str):
        return f"the API server does not answer: {answer}"
    status, body = answer
    if status != 200:
        return f"the API server answers {status}"
    document: dict[str, Any] = json.loads(body)
    return document


def problem_of_api_server(document: dict[str, Any] | str) -> str | None:
    """The API server's check: it answers and reaches its database."""
    if isinstance(document, str):
        return document
    status = document["metadatabase"]["status"]
    return None if status == "healthy" else f"Airflow's database is {status}"


def problem_of_execution_api(port: int, timeout_seconds: float) -> str | None:
    """The check of the interface that tasks speak to.

    Airflow builds it at its first request, which takes seconds and stalls the whole server: this check makes that
    request, so that no task has to wait for it.
    """
    answer = answer_of(f"http://127.0.0.1:{port}/execution/health", timeout_seconds)
    if isinstance(answer, str):
        return f"the interface for tasks does not answer: {answer}"
    return None if answer[0] == 200 else f"the interface for tasks answers {answer[0]}"


def problem_of_job(document: dict[str, Any] | str, job: str, started_at: float) -> str | None:
    """The check of a component that heartbeats: it must have done so since it was started.

    :param job: `scheduler`, `dag_processor` or `triggerer`.
    :param started_at: epoch seconds; a heartbeat before it is its predecessor's.
    """
    if isinstance(document, str):
        return document
    section = document.get(job) or {}
    beat = section.get(f"latest_{job}_heartbeat")
    if section.get("status") != "healthy" or not beat:
        return "no heartbeat yet" if not beat else f"its last heartbeat was {beat}"
    if datetime.fromisoformat(beat).timestamp() < started_at:
        return "no heartbeat since its start"
    return None
