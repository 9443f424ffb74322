"""Brings the embedded stack up, takes it down, and says how it is: the order of things stands here.

`up` makes the stack what the plan says, from whatever state it finds: nothing, a healthy stack, one whose
supervisor was killed, one with other settings. `down` leaves no process. Both hold one lock per state folder.
What a component is stands in `plan`; how it is watched in `supervision`; whether it is of use in `health`.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gauntlet.local import databases, furnishing, health, leftovers, postgres, preflight
from gauntlet.local.keys import Keys, load_or_create, write_private
from gauntlet.local.paths import StackPaths, project_root, stack_paths
from gauntlet.local.plan import AIRFLOW, DEVCLUSTER, FURNISHER, POSTGRES, Plan, Site, claims, make_plan
from gauntlet.local.ports import Ports, keep_or_choose, ui_port
from gauntlet.local.starting import Say, StackError, Starter
from gauntlet.local.supervision import ProgramState, Supervisor, order_file

AIRFLOW_START_TIMEOUT_SECONDS = 240  # its imports alone take minutes on a machine that does other things too


_SAME_LOOK_SECONDS = 0.3
_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True)
class Component:
    """One line of `status`: `problem` is None when the component is of use."""

    name: str
    state: str
    pid: int
    uptime_seconds: float
    problem: str | None


@dataclass(frozen=True)
class Description:
    """stack.json: what runs where. It holds no secret."""

    state: str
    project: str
    ui_port: int
    postgres_port: int
    devcluster_port: int
    kubeconfig: str
    own_cluster: bool
    store_url: str
    session: int | None

    @property
    def ui_url(self) -> str:
        return f"http://127.0.0.1:{self.ui_port}"


class Stack:
    """The stack of one state folder."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        """:param env: the environment of the person asking; this process's by default."""
        self.env = _trusting_the_system(os.environ if env is None else env)
        self.paths: StackPaths = stack_paths(self.env)

    # What others need of a running stack

    def description(self) -> Description | None:
        """What runs where, as of the last `up`; None when there was none."""
        try:
            content = json.loads(self.paths.description.read_text(encoding="utf-8"))
            return Description(**content)
        except (OSError, ValueError, TypeError):
            return None

    def settings(self) -> dict[str, str]:
        """The GAUNTLET_* variables of the running components, for a process that works beside them.

        :raises StackError: the stack was never brought up.
        """
        return {name: value for name, value in self.airflow_environment().items() if name.startswith("GAUNTLET_")}

    def airflow_environment(self) -> dict[str, str]:
        """The whole environment of Airflow's API server as it was last started.

        :raises StackError: the stack was never brought up.
        """
        try:
            order = json.loads(order_file(self.paths, AIRFLOW[0]).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StackError("the stack was never started", where=str(self.paths.state), todo="Run `make up`") from None
        env: dict[str, str] = order["env"]
        return env

    def examine(self) -> list[preflight.Finding]:
        """What on this machine stands in the stack's way."""
        before = self.description()
        return preflight.examine(self.env, self.paths, before.session if before else None)

    # up

    def up(self, say: Say = lambda step, seconds: None) -> Description:
        """Bring everything up, each program after the ones before it are healthy.

        :param say: told of each step.
        :raises PreflightError: something on this machine stands in the way; all of it at once.
        :raises GauntletError: a component does not come up; with the end of its log.
        """
        project = project_root(self.env)
        fatal = [finding for finding in self.examine() if finding.fatal]
        if fatal:
            raise preflight.PreflightError(fatal)
        self.paths.make()
        with self._lock():
            keys = load_or_create(self.paths)
            supervisor = Supervisor(self.paths, keys.supervisor)
            if not supervisor.alive():
                self._end_leftovers(supervisor, say)
            home = postgres.prepare_home(self.paths.postgres)
            ports = self._ports(supervisor)
            plan = make_plan(Site(self.paths, project, keys, ports, home, self.env, _cores()))
            self._prepare_airflow(keys)
            self._ensure_supervisor(supervisor, plan, say)
            description = self._describe(plan, project, supervisor)
            self._start_all(supervisor, plan, keys, home, say)
            return description

    def _ports(self, supervisor: Supervisor) -> Ports:
        before = self.description()
        running = {name for name, state in supervisor.states().items() if state.running}
        return Ports(
            ui=ui_port(self.env),
            postgres=keep_or_choose(before.postgres_port if before else None, ours=POSTGRES in running),
            devcluster=keep_or_choose(before.devcluster_port if before else None, ours=DEVCLUSTER in running),
        )

    def _prepare_airflow(self, keys: Keys) -> None:
        users = json.dumps({"admin": keys.airflow_admin})
        write_private(self.paths.secrets / "airflow-users.json", users)
        # An airflow.cfg that is there keeps Airflow from writing 100 KB of defaults that outlive its upgrades.
        write_private(self.paths.airflow / "airflow.cfg", "# Settings come from the environment: see gauntlet.local.\n")

    def _ensure_supervisor(self, supervisor: Supervisor, plan: Plan, say: Say) -> None:
        started = time.monotonic()
        changed = supervisor.configure(plan.programs)
        if supervisor.alive() and changed:
            self._stop_programs(supervisor, say)
        if not supervisor.alive():
            supervisor.start(plan.program(POSTGRES).surroundings)
            say("supervisor", time.monotonic() - started)

    def _describe(self, plan: Plan, project: Path, supervisor: Supervisor) -> Description:
        description = Description(
            state=str(self.paths.state),
            project=str(project),
            ui_port=plan.ports.ui,
            postgres_port=plan.ports.postgres,
            devcluster_port=plan.ports.devcluster,
            kubeconfig=str(plan.cluster.kubeconfig),
            own_cluster=plan.cluster.own,
            store_url=plan.settings["GAUNTLET_STORE_URL"],
            session=supervisor.pid(),
        )
        write_private(self.paths.description, json.dumps(vars(description), indent=2) + "\n")
        return description

    def _start_all(self, supervisor: Supervisor, plan: Plan, keys: Keys, home: postgres.Home, say: Say) -> None:
        server = postgres.Server(plan.ports.postgres, keys.postgres_admin)
        starter = Starter(self.paths, supervisor, say)
        started = time.monotonic()
        if postgres.initialise(home, keys.postgres_admin):
            say("a new PostgreSQL cluster", time.monotonic() - started)
        starter.bring_up([plan.program(POSTGRES)], lambda _: postgres.problem_of(server))
        started = time.monotonic()
        airflow = plan.program(AIRFLOW[0])
        renewed = databases.migrate(self.paths, server, keys, {**airflow.surroundings, **airflow.env})
        if renewed:
            say(f"schema of {' and '.join(renewed)}", time.monotonic() - started)
        if plan.cluster.own:
            kubeconfig = plan.cluster.kubeconfig
            starter.bring_up([plan.program(FURNISHER)], lambda _: None)
            starter.bring_up([plan.program(DEVCLUSTER)], lambda _: furnishing.problem_of(kubeconfig))
            furnishing.furnish(kubeconfig, plan.settings["GAUNTLET_NAMESPACE"], claims(self.paths))
        airflow_programs = [plan.program(name) for name in AIRFLOW]
        starter.bring_up(airflow_programs, _airflow_check(plan.ports.ui), AIRFLOW_START_TIMEOUT_SECONDS)

    # down

    def down(self, say: Say = lambda step, seconds: None) -> bool:
        """Stop everything in reverse order, and whatever carries the stack's marker besides.

        :returns: whether anything was running.
        :raises GauntletError: something cannot be ended.
        """
        if not self.paths.run.is_dir():
            return False
        with self._lock():
            supervisor = Supervisor(self.paths, load_or_create(self.paths).supervisor)
            alive = supervisor.alive()
            if alive:
                self._stop_programs(supervisor, say)
            return self._end_leftovers(supervisor, say) or alive

    def forget(self) -> None:
        """Delete the state of a stack that is down: databases, results, logs, passwords.

        Only what `up` made is deleted, in case GAUNTLET_HOME names a folder with other things in it.
        """
        import shutil

        paths = self.paths
        postgres.forget_home(paths.postgres)
        for folder in (paths.devcluster, paths.airflow, paths.store, paths.cache, paths.logs, paths.run, paths.secrets):
            shutil.rmtree(folder, ignore_errors=True)
        paths.description.unlink(missing_ok=True)
        if paths.state.is_dir() and not any(paths.state.iterdir()):
            paths.state.rmdir()

    def _stop_programs(self, supervisor: Supervisor, say: Say) -> None:
        known = supervisor.states()
        for group in (AIRFLOW, (DEVCLUSTER,), (FURNISHER, POSTGRES)):
            names = [name for name in group if name in known and known[name].pid]
            started = time.monotonic()
            for name in names:
                supervisor.begin_stop(name)
            supervisor.wait_stopped(names, timeout_seconds=60)
            for name in names:
                say(f"{name} stopped", time.monotonic() - started)
        supervisor.shutdown()

    def _end_leftovers(self, supervisor: Supervisor, say: Say) -> bool:
        before = self.description()
        sessions = {supervisor.pid(), before.session if before else None}
        session = next((each for each in sessions if each is not None), None)
        started = time.monotonic()
        ended = leftovers.end_all(self.paths.state, session)
        if ended:
            say(f"{len(ended)} left-over processes ended", time.monotonic() - started)
        for stale in (self.paths.run / "supervisord.pid", self.paths.socket()):
            stale.unlink(missing_ok=True)
        return bool(ended)

    # status

    def status(self) -> list[Component]:
        """Every component of the last `up`, in the order of their start; empty when there was none."""
        description = self.description()
        if description is None:
            return []
        keys = load_or_create(self.paths)
        states = Supervisor(self.paths, keys.supervisor).states()
        names = [POSTGRES, *([DEVCLUSTER] if description.own_cluster else []), *AIRFLOW]
        stopped = ProgramState("", "STOPPED", 0, 0.0, "")
        document = health.airflow_document(description.ui_port) if states else "nothing runs"
        problems: dict[str, health.Check] = {
            POSTGRES: lambda: postgres.problem_of(postgres.Server(description.postgres_port, keys.postgres_admin)),
            DEVCLUSTER: lambda: furnishing.problem_of(Path(description.kubeconfig)),
        }
        lines = []
        for name in names:
            state = states.get(name, stopped)
            problem: str | None = "not running"
            if state.running:
                problem = problems[name]() if name in problems else _airflow_problem(name, document, state)
            uptime = time.time() - state.started_at if state.running else 0.0
            lines.append(Component(name, state.state.lower(), state.pid, round(uptime, 1), problem))
        return lines

    @contextmanager
    def _lock(self) -> Iterator[None]:
        descriptor = os.open(self.paths.run / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _airflow_check(port: int) -> Callable[[ProgramState], str | None]:
    """The check of Airflow's programs: one look at its health document serves all four."""
    document: dict[str, Any] | str = ""
    looked_at = 0.0

    def check(state: ProgramState) -> str | None:
        nonlocal document, looked_at
        if time.monotonic() - looked_at > _SAME_LOOK_SECONDS:
            document, looked_at = health.airflow_document(port), time.monotonic()
        problem = _airflow_problem(state.name, document, state)
        if problem is None and state.name not in health.AIRFLOW_JOBS:
            return health.problem_of_execution_api(port, timeout_seconds=120)
        return problem

    return check


def _airflow_problem(name: str, document: dict[str, Any] | str, state: ProgramState) -> str | None:
    job = health.AIRFLOW_JOBS.get(name)
    if job is None:
        return health.problem_of_api_server(document)
    return health.problem_of_job(document, job, state.started_at)


def _trusting_the_system(env: Mapping[str, str]) -> dict[str, str]:
    """`env`, with uv told to use the system's certificates: its own list lacks those of a company's proxy."""
    if not any(Path(bundle).is_file() for bundle in _CERTIFICATES):
        return dict(env)
    return {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true", **env}


def _cores() -> int:
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1
