"""What this installation is made of: addresses, names and limits, read from ``GAUNTLET_*`` variables.

One model for a laptop and for production (design, decision 7): only the values differ. Passwords stay inside
``database_url``, whose text never reaches a log because the model hides it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from gauntlet.errors import Problem, RefusedError

PREFIX = "GAUNTLET_"


class Settings(BaseModel):
    """Values of one installation; every field is read from ``GAUNTLET_`` + its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: SecretStr = Field(description="SQLAlchemy URL of Gauntlet's database (postgresql+psycopg://…)")
    store_url: str = Field(description="the object store: file:///folder or s3://bucket/prefix")
    store_endpoint_url: str = Field("", description="S3-compatible endpoint; empty for AWS")
    store_pod_endpoint_url: str = Field("", description="the same endpoint as pods reach it; empty for the same")
    store_claim: str = Field(
        "gauntlet-store", description="with a file:// store, the PersistentVolumeClaim that shows it to pods"
    )
    cache_claim: str = Field("", description="PersistentVolumeClaim for built environments; empty: none kept")
    cluster_conn_id: str = Field("gauntlet_cluster", description="the Airflow connection of the cluster")
    namespace: str = Field("gauntlet", description="where pods run when nothing else is said")
    runner_image: str = Field("gauntlet/runner-python:dev", description="image of pods that run Python tests")
    image_pull_policy: str = Field("IfNotPresent", description="imagePullPolicy of every container")
    service_account: str = Field("", description="service account of test pods; empty for the namespace's default")
    definitions_root: str = Field("include", description="the folder with suites/, experiments/ and their like")
    folder_roots: str = Field(
        "",
        description="folders, separated by ':', that content of type folder may come from; empty: definitions_root",
    )
    heartbeat_seconds: float = Field(5.0, gt=0, description="seconds between two heartbeats of an attempt")
    silence_seconds: float = Field(
        60.0, gt=0, description="after how long without a sign of life a running attempt counts as lost"
    )
    pod_start_timeout_seconds: int = Field(600, gt=0, description="how long a pod may stay Pending")
    linger_seconds: int = Field(
        2, ge=0, description="how long the worker that made a pod watches it before the triggerer takes over"
    )
    pod_retention_seconds: int = Field(3600, ge=0, description="how long finished pods stay for kubectl")
    run_retention_days: int = Field(90, gt=0, description="how long results, reports and artifacts are kept")
    resolution_ttl_seconds: int = Field(
        86_400, ge=0, description="how long the resolution of unpinned requirements is reused"
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Read the settings.

        :param env: the variables; the process's own by default.
        :raises RefusedError: naming every variable that is missing or wrong.
        """
        source = os.environ if env is None else env
        values = {
            name: source[PREFIX + name.upper()]
            for name in cls.model_fields
            if source.get(PREFIX + name.upper(), "") != ""
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise RefusedError(
                Problem(
                    file="environment",
                    line=None,
                    field=PREFIX + str(detail["loc"][0]).upper(),
                    found="nothing" if detail["type"] == "missing" else repr(detail["input"]),
                    expected=detail["msg"],
                )
                for detail in error.errors()
            ) from None


@lru_cache(maxsize=1)
def current() -> Settings:
    """This process's settings, read once."""
    return Settings.from_env()
