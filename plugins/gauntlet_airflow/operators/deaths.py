"""Causes of death as exceptions, so that Airflow's retry policy, its logs and its UI speak of them by name."""

from __future__ import annotations

from collections.abc import Mapping

from gauntlet.kube.causes import Cause


class AttemptDied(Exception):  # noqa: N818  (people read these names in Airflow's UI)
    """An attempt ended without a complete manifest.

    :param cause: why.
    :param message: the same as a sentence.
    """

    cause: Cause

    def __init__(self, message: str) -> None:
        super().__init__(message)


class OomKilled(AttemptDied):
    """The container used more memory than its limit."""

    cause = Cause.OOM_KILLED


class Evicted(AttemptDied):
    """The node or the cluster drove the pod away."""

    cause = Cause.EVICTED


class ImageUnavailable(AttemptDied):
    """The image could not be pulled."""

    cause = Cause.IMAGE_UNAVAILABLE


class NodeLost(AttemptDied):
    """The node no longer answers."""

    cause = Cause.NODE_LOST


class PodDeleted(AttemptDied):
    """Somebody deleted the pod."""

    cause = Cause.POD_DELETED


class TimedOut(AttemptDied):
    """The pod outlived its deadline."""

    cause = Cause.TIMED_OUT


class SecretMissing(AttemptDied):
    """A Secret, or a key in it, is not there."""

    cause = Cause.SECRET_MISSING


class Unschedulable(AttemptDied):
    """No node took the pod in time."""

    cause = Cause.UNSCHEDULABLE


class StartFailed(AttemptDied):
    """The pod's containers could not be started."""

    cause = Cause.START_FAILED


class ContainerFailed(AttemptDied):
    """A container ended badly and left no manifest."""

    cause = Cause.CONTAINER_FAILED


class HeartbeatLost(AttemptDied):
    """The pod runs, but the agent in it has fallen silent."""

    cause = Cause.HEARTBEAT_LOST


BY_CAUSE: Mapping[Cause, type[AttemptDied]] = {kind.cause: kind for kind in AttemptDied.__subclasses__()}


def died(cause: str, message: str) -> AttemptDied:
    """The exception of a cause."""
    return BY_CAUSE[Cause(cause)](message)
