"""Startup, readiness and liveness probes, and preStop hooks: exec, httpGet, tcpSocket.

A probe changes the container's record or has it restarted; it decides nothing else.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from gauntlet.local.devcluster.node.runtime import StartError

if TYPE_CHECKING:
    from gauntlet.local.devcluster.node.container import Container

Object = dict[str, Any]


async def watch(container: Container) -> None:
    """Probe a running container until cancelled: startup first, then readiness and liveness side by side."""
    spec = container.spec
    if spec.get("startupProbe") and not await _startup(container, spec["startupProbe"]):
        return
    loops = [
        loop(container, spec[name])
        for name, loop in (("readinessProbe", _readiness), ("livenessProbe", _liveness))
        if spec.get(name)
    ]
    await asyncio.gather(*loops)


async def _startup(container: Container, probe: Object) -> bool:
    failures = 0
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    while True:
        problem = await attempt(container, probe)
        if not problem:
            container.record.started = True
            container.record.ready = not container.spec.get("readinessProbe")
            container.touched()
            return True
        failures += 1
        container.warn("Unhealthy", f"Startup probe failed: {problem}")
        if failures >= probe["failureThreshold"]:
            name = container.record.name
            await container.restart(f"Container {name} failed startup probe, will be restarted")
            return False
        await asyncio.sleep(probe["periodSeconds"])


async def _readiness(container: Container, probe: Object) -> None:
    successes = failures = 0
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    while True:
        problem = await attempt(container, probe)
        successes, failures = (0, failures + 1) if problem else (successes + 1, 0)
        before = container.record.ready
        if problem:
            container.warn("Unhealthy", f"Readiness probe failed: {problem}")
            container.record.ready = before and failures < probe["failureThreshold"]
        else:
            container.record.ready = before or successes >= probe["successThreshold"]
        if container.record.ready != before:
            container.touched()
        await asyncio.sleep(probe["periodSeconds"] if container.record.ready else min(1, probe["periodSeconds"]))


async def _liveness(container: Container, probe: Object) -> None:
    failures = 0
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    while True:
        problem = await attempt(container, probe)
        failures = failures + 1 if problem else 0
        if problem:
            container.warn("Unhealthy", f"Liveness probe failed: {problem}")
        if failures >= probe["failureThreshold"]:
            name = container.record.name
            await container.restart(f"Container {name} failed liveness probe, will be restarted")
            return
        await asyncio.sleep(probe["periodSeconds"])


async def attempt(container: Container, probe: Object) -> str:
    """Try a probe once; return what is wrong, or nothing."""
    try:
        return await asyncio.wait_for(_act(container, probe), probe.get("timeoutSeconds", 1))
    except TimeoutError:
        return f"command timed out after {probe.get('timeoutSeconds', 1)}s"
    except OSError as problem:
        return str(problem)


async def hook(container: Container, handler: Object) -> None:
    """Run a preStop handler; its failure is an event, nothing more."""
    if "sleep" in handler:
        await asyncio.sleep(handler["sleep"].get("seconds", 0))
        return
    try:
        problem = await _act(container, handler)
    except OSError as failure:
        problem = str(failure)
    if problem:
        container.warn("FailedPreStopHook", f"PreStopHook failed: {problem}")


async def _act(container: Container, handler: Object) -> str:
    if "exec" in handler:
        return await _execute(container, handler["exec"].get("command") or [])
    if "httpGet" in handler:
        return await _http(container, handler["httpGet"])
    if "tcpSocket" in handler:
        host = handler["tcpSocket"].get("host") or container.node.host_ip
        _, writer = await asyncio.open_connection(host, _port(container, handler["tcpSocket"]["port"]))
        writer.close()
        return ""
    return ""


async def _execute(container: Container, argv: list[str]) -> str:
    prepared = container.prepared
    if prepared is None:
        return "the container does not run"
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        command = prepared.within(argv, streams=(nowhere, nowhere, nowhere))
        process = await container.node.runtime.spawn(command)
    except StartError as problem:
        return str(problem)
    finally:
        os.close(nowhere)
    try:
        ended = await process.wait()
    finally:
        process.close()
    return "" if ended.code == 0 else f"command exited with {ended.code}"


async def _http(container: Container, request: Object) -> str:
    import aiohttp

    host = request.get("host") or container.node.host_ip
    scheme = (request.get("scheme") or "HTTP").lower()
    url = f"{scheme}://{host}:{_port(container, request['port'])}{request.get('path') or '/'}"
    headers = {header["name"]: header["value"] for header in request.get("httpHeaders") or []}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(url, ssl=False, allow_redirects=False) as response,
        ):
            return "" if 200 <= response.status < 400 else f"HTTP probe failed with statuscode: {response.status}"
    except aiohttp.ClientError as problem:
        return f'Get "{url}": {problem}'


def _port(container: Container, port: int | str) -> int:
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = {p.get("name"): p["containerPort"] for p in container.spec.get("ports") or []}
    return int(named.get(port, 0))
