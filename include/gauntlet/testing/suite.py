"""The TestSuite: what people write in ``include/suites`` and what the API takes (one model, three doors).

Fields and names are the mission's (low-level-design.md 1.1, 1.2); ours beside them say so. Everything is
validated here, also what only later frameworks and contents use.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gauntlet.definitions.base import CONTROL_CHARACTERS, Definition, Model
from gauntlet.kube import secrets
from gauntlet.testing.content import Content

TestType = Literal["pytest", "playwright", "selenium", "cypress", "postman", "k6", "jmeter", "custom"]

_CPU = re.compile(r"(\d+m|\d+(\.\d{1,3})?)")
_BYTES = re.compile(r"\d+(\.\d+)?(Ki|Mi|Gi|Ti|k|M|G|T)?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_RESERVED_ENV = re.compile(r"(GAUNTLET_|DEVCLUSTER_|LD_|KUBERNETES_).*|PYTHONPATH|PYTHONHOME")

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def cpu_cores(quantity: str) -> float:
    """Cores of a Kubernetes CPU quantity: ``500m`` is 0.5."""
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def memory_bytes(quantity: str) -> int:
    """Bytes of a Kubernetes memory quantity: ``512Mi`` is 536870912."""
    number = quantity.rstrip("KMGTik")
    return int(float(number) * _UNITS[quantity[len(number) :]])


def _as_text(value: object) -> object:
    """Kubernetes takes ``cpu: 2`` as well as ``cpu: "2"``, so both are taken here."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _cpu(value: str) -> str:
    if not _CPU.fullmatch(value) or cpu_cores(value) <= 0:
        raise ValueError("a CPU quantity above zero, such as 500m or 2")
    return value


def _bytes(value: str) -> str:
    if not _BYTES.fullmatch(value) or memory_bytes(value) <= 0:
        raise ValueError("a quantity of bytes above zero, such as 512Mi or 1Gi")
    return value


def _environment(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _ENV_NAME.fullmatch(name):
            raise ValueError(f"variable names of letters, digits and '_'; {name!r} is not one")
        if _RESERVED_ENV.fullmatch(name):
            raise ValueError(f"a variable of your own; {name} is Gauntlet's or the loader's")
        if "\x00" in text:
            raise ValueError(f"{name}: a value without null bytes")
        if secrets.is_malformed(text):
            raise ValueError(f"{name}: a reference such as ${{secrets.api_key}} or ${{secrets.my-secret/api_key}}")
    return value


def _argument(value: str) -> str:
    if CONTROL_CHARACTERS.search(value):
        raise ValueError("an argument without control characters")
    if "${secrets." in value:
        raise ValueError("no secret in an argument, where every process can read it: put it in config.env")
    return value


Cpu = Annotated[str, BeforeValidator(_as_text), AfterValidator(_cpu)]
Bytes = Annotated[str, BeforeValidator(_as_text), AfterValidator(_bytes)]
EnvironmentVariables = Annotated[dict[str, str], AfterValidator(_environment)]
Argument = Annotated[str, Field(max_length=4000), AfterValidator(_argument)]


class ResourceRequirements(Model):
    """What one shard's pod asks for and may use, in Kubernetes quantities."""

    cpu_request: Cpu = "500m"
    cpu_limit: Cpu | None = None
    memory_request: Bytes = "512Mi"
    memory_limit: Bytes | None = "2Gi"
    ephemeral_storage: Bytes | None = None
    gpu_request: int = Field(0, ge=0, le=64)

    @model_validator(mode="after")
    def _limits_above_requests(self) -> Self:
        if self.cpu_limit is not None and cpu_cores(self.cpu_limit) < cpu_cores(self.cpu_request):
            raise ValueError(f"cpuLimit {self.cpu_limit} at or above cpuRequest {self.cpu_request}")
        if self.memory_limit is not None and memory_bytes(self.memory_limit) < memory_bytes(self.memory_request):
            raise ValueError(f"memoryLimit {self.memory_limit} at or above memoryRequest {self.memory_request}")
        return self


RetryCondition = Literal["infrastructure", "timeout", "failure"]


class RetryPolicy(Model):
    """When a shard is tried again.

    :param retry_conditions: ``infrastructure`` (out of memory, eviction, a lost node, a deleted pod, an image),
        ``timeout``, ``failure`` (tests that failed).
    """

    max_retries: int = Field(0, ge=0, le=10)
    backoff_seconds: int = Field(10, ge=0, le=3600)
    backoff_strategy: Literal["fixed", "linear", "exponential"] = "exponential"
    retry_conditions: tuple[RetryCondition, ...] = ("infrastructure",)


class VolumeMount(Model):
    """A volume of the test pod; exactly one source.

    :param mount_path: absolute path in the container.
    """

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    mount_path: str = Field(pattern=r"^/[^:]*$", max_length=1000)
    sub_path: str = Field("", max_length=1000)
    read_only: bool = False
    config_map: str | None = Field(None, max_length=253)
    secret: str | None = Field(None, max_length=253)
    persistent_volume_claim: str | None = Field(None, max_length=253)
    empty_dir: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.config_map, self.secret, self.persistent_volume_claim, self.empty_dir)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("exactly one of configMap, secret, persistentVolumeClaim and emptyDir")
        if self.mount_path.rstrip("/") in {"", "/gauntlet", "/tmp"} or self.mount_path.startswith("/gauntlet/"):  # noqa: S108
            raise ValueError("a mountPath other than /, /tmp and /gauntlet")
        return self


class Toleration(Model):
    """As in a pod's ``tolerations``."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    toleration_seconds: int | None = Field(None, ge=0)


class ExecutionConfig(Model):
    """How the suite runs.

    :param parallelism: how many shards.
    :param timeout: seconds a shard's tests may take.
    :param env: variables of the tests; wins over the suite's ``env``.
    :param args: further arguments of the tool (ours).
    :param image: the runner image instead of the installation's (ours).
    :param python: the Python version of the suite's environment, such as ``3.12`` (ours).
    :param grace_period_seconds: between SIGTERM and SIGKILL (ours).
    :param artifacts: glob patterns of files to keep (ours).
    """

    parallelism: int = Field(1, ge=1, le=1000)
    timeout: int = Field(7200, ge=1, le=7 * 86_400)
    retry_policy: RetryPolicy = Field(default_factory=RetryPolicy)
    env: EnvironmentVariables = Field(default_factory=dict)
    volumes: list[VolumeMount] = Field(default_factory=list, max_length=50)
    service_account: str = Field("", max_length=253)
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list, max_length=50)
    affinity: dict[str, Any] = Field(default_factory=dict)
    args: list[Argument] = Field(default_factory=list, max_length=200)
    image: str = Field("", max_length=1000, pattern=r"^\S*$")
    python: str = Field("", pattern=r"^(3\.\d{1,2}(\.\d{1,3})?)?$")
    grace_period_seconds: int = Field(30, ge=1, le=3600)
    artifacts: list[InsideGlob] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _distinct_volumes(self) -> Self:
        names = [volume.name for volume in self.volumes]
        if len(set(names)) != len(names):
            raise ValueError("volumes with a name of their own each")
        return self


def _glob(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("a pattern below the working folder, without '..'")
    return value


InsideGlob = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_glob)]


class TestSuite(Definition):
    """A suite of tests.

    :param type: the framework; the mission's types, and ``pytest`` and ``jmeter``.
    :param content: where the tests come from.
    :param resources: of each shard's pod.
    :param env: variables of the tests.
    """

    __test__ = False  # the name begins like a test class of pytest's

    kind: Literal["TestSuite"]
    type: TestType
    content: Content
    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    config: ExecutionConfig = Field(default_factory=ExecutionConfig)
    env: EnvironmentVariables = Field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The tests' variables: ``config.env`` wins over ``env``."""
        return {**self.env, **self.config.env}


ExecutionConfig.model_rebuild()
