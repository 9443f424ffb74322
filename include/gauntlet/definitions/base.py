"""What every definition has, whatever its kind: camelCase fields, a name, labels, a schedule.

Unknown fields are refused, because a misspelt field that is silently ignored is a test that does not run.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
PRESETS = frozenset({"@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"})
# RFC 1123 labels and Kubernetes label values: these become labels of pods.
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class Model(BaseModel):
    """A part of a definition: frozen, camelCase outside, snake_case inside, nothing unknown."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, str_max_length=500_000
    )


def _plain_name(value: str) -> str:
    if CONTROL_CHARACTERS.search(value):
        raise ValueError("a name without control characters")
    if value != value.strip():
        raise ValueError("a name without spaces around it")
    return value


def _schedule(value: str) -> str:
    if value in PRESETS:
        return value
    from croniter import croniter

    if len(value.split()) != 5 or not croniter.is_valid(value):
        raise ValueError(f"a cron expression of five fields, or one of {', '.join(sorted(PRESETS))}")
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("an IANA time zone such as Europe/Berlin") from None
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(text):
            raise ValueError(
                f"Kubernetes label keys and values (at most 63 of letters, digits, '-', '_', '.'); {key}: {text} is not"
            )
    return value


Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain_name)]
Schedule = Annotated[str, AfterValidator(_schedule)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]


class Definition(Model):
    """The fields common to all kinds.

    :param kind: which model the document is.
    :param name: what people call it.
    :param description: one paragraph, shown in Airflow's UI.
    :param doc: longer documentation in Markdown.
    :param owner: user whose rights scheduled runs have.
    :param schedule: cron expression or preset; none: only on demand.
    :param timezone: of the schedule.
    :param labels: Kubernetes-style labels; ``team`` decides whose quota is used.
    :param tags: free words for filters.
    :param priority: 0 (first) to 9 (last).
    :param version: free text, shown beside results.
    :param metadata: whatever else its authors want to keep with it.
    """

    kind: str
    name: Name
    description: str = Field("", max_length=10_000)
    doc: str = Field("", max_length=100_000)
    owner: str = Field("", max_length=255)
    schedule: Schedule | None = None
    timezone: TimeZone = "UTC"
    labels: Labels = Field(default_factory=dict)
    tags: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list, max_length=50)
    priority: int = Field(5, ge=0, le=9)
    version: str = Field("", max_length=255)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _unique_tags(self) -> Self:
        if len(set(self.tags)) != len(self.tags):
            raise ValueError("each tag once")
        return self

    def document(self) -> dict[str, Any]:
        """The definition as plain data with its outside names, complete with defaults."""
        return self.model_dump(mode="json", by_alias=True)
