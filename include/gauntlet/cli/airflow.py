"""Airflow's REST API as the command line needs it: a token, a DAG that exists, a DAG run."""

from __future__ import annotations

import time
from typing import Any

import httpx

from gauntlet.errors import GauntletError

_TIMEOUT_SECONDS = 30.0
# A definition that was just written is a DAG once the bundle was refreshed and parsed.
_DAG_APPEARS_SECONDS = 60.0
_LOOK_SECONDS = 0.5


class AirflowError(GauntletError):
    """Airflow did not do what it was asked."""


class Airflow:
    """Airflow at one address, as one user.

    :param url: without a path.
    :param user: name. :param password: of the user; exchanged for a short-lived token.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)
        answer = self._request("POST", "/auth/token/cli", json={"username": user, "password": password})
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until a DAG can be triggered.

        :raises AirflowError: when it does not appear.
        """
        deadline = time.monotonic() + _DAG_APPEARS_SECONDS
        while True:
            answer = self._request("GET", f"/api/v2/dags/{dag_id}", may=(404,))
            if answer.status_code == 200 and not answer.json().get("is_stale"):
                return
            if time.monotonic() > deadline:
                raise AirflowError(
                    f"Airflow knows no DAG {dag_id}",
                    todo="See `gauntlet status`, and Import Errors in Airflow's UI",
                )
            time.sleep(_LOOK_SECONDS)

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a DAG run under an id of our own; one that exists already is left alone."""
        body = {"dag_run_id": run_id, "conf": conf, "logical_date": None}
        self._request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body, may=(409,))

    def _request(self, method: str, path: str, *, may: tuple[int, ...] = (), **arguments: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise AirflowError(
                f"Airflow does not answer ({type(error).__name__})",
                where=str(self._client.base_url),
                todo="Start it with `make up`, or see `gauntlet status`",
            ) from None
        if answer.is_success or answer.status_code in may:
            return answer
        raise AirflowError(f"Airflow answered {answer.status_code}: {_detail(answer)}", where=f"{method} {path}")


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))[:2000]
    except ValueError:
        return answer.text[:200]
