# The dispatcher, its drivers and the nodes of Ray. Built from the root of the checkout, for CPUs:
#   docker build -f deploy/worker.Dockerfile --build-arg PIP_EXTRA_INDEX_URL -t alambique-worker:0.1.0 .
# with PyTorch's CPU index in PIP_EXTRA_INDEX_URL; for CUDA, whose libraries come with the packages:
#   docker build -f deploy/worker.Dockerfile --build-arg ACCELERATOR=cuda -t alambique-worker:0.1.0-cuda .

# Give the digest too where a registry is at hand: name@sha256:…
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheel
ENV PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/build && /opt/build/bin/pip install hatchling==1.33.0
COPY pyproject.toml README.md LICENSE ./
COPY platform platform
COPY tasks tasks
COPY workers workers
COPY api api
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${PYTHON_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1
# cpu or cuda
ARG ACCELERATOR=cpu
# pip's own setting
ARG PIP_EXTRA_INDEX_URL
WORKDIR /source
COPY constraints.txt ./
# "+cpu" is on PyTorch's CPU index alone: without it the build ends here, not with gigabytes of CUDA
RUN python -m venv /opt/alambique \
    && torch="$(grep '^torch==' constraints.txt)" \
    && case "${ACCELERATOR}" in \
        cpu) torch="${torch%+cpu}+cpu" ;; \
        cuda) ;; \
        *) echo "ACCELERATOR=${ACCELERATOR}: give cpu or cuda" >&2; exit 1 ;; \
    esac \
    && /opt/alambique/bin/pip install --use-pep517 -c constraints.txt "${torch}"
COPY --from=wheel /wheels /wheels
RUN wheel="$(find /wheels -name 'alambique-*.whl')" \
    && /opt/alambique/bin/pip install --use-pep517 -c constraints.txt "${wheel}[workers]"

FROM ${PYTHON_IMAGE}
# a login shell, which KubeRay may start, knows /usr/local/bin but not the PATH of this image
RUN groupadd --gid 10001 alambique \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/alambique \
       --shell /usr/sbin/nologin alambique \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/alambique /var/lib/alambique-artifacts \
    && ln -s /opt/alambique/bin/ray /opt/alambique/bin/alambique /usr/local/bin/
COPY --from=packages /opt/alambique /opt/alambique
# after NVIDIA's: what drivers set for themselves, and nodes of Ray need as well
# hadolint ignore=DL3064
ENV PATH=/opt/alambique/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/alambique \
    ALAMBIQUE_HOME=/var/lib/alambique \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    OMP_WAIT_POLICY=PASSIVE \
    GOMP_SPINCOUNT=0 \
    ONEDNN_PRIMITIVE_CACHE_CAPACITY=128 \
    LRU_CACHE_CAPACITY=128 \
    RAY_AUTH_MODE=token \
    PYTHONSAFEPATH=1 \
    RAY_TRAIN_V2_ENABLED=1 \
    RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S=600 \
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_DEDUP_LOGS=0 \
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1 \
    TUNE_DISABLE_SIGINT_HANDLER=1 \
    TUNE_PRINT_ALL_TRIAL_ERRORS=0 \
    RAY_CHDIR_TO_TRIAL_DIR=0 \
    RAY_AIR_NEW_OUTPUT=0 \
    TOKENIZERS_PARALLELISM=false
WORKDIR /var/lib/alambique
USER 10001:10001
STOPSIGNAL SIGTERM
# of the Ray that this container runs or is a node of; the token of its own one lies in the home
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=3 \
    CMD ["sh", "-c", "RAY_AUTH_TOKEN_PATH=\"${RAY_AUTH_TOKEN_PATH:-$ALAMBIQUE_HOME/ray/token}\" exec ray health-check"]
ENTRYPOINT ["alambique"]
CMD ["worker"]
