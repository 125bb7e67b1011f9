# The API and the client: no torch, no Ray. Built from the root of the checkout:
#   docker build -f deploy/api.Dockerfile -t alambique-api:0.1.0 .

# Give the digest too where a registry is at hand: name@sha256:…
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
RUN python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir hatchling==1.33.0
COPY pyproject.toml README.md LICENSE ./
COPY platform platform
COPY tasks tasks
COPY workers workers
COPY api api
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /source
COPY constraints.txt ./
COPY --from=wheel /wheels /wheels
RUN python -m venv /opt/alambique \
    && wheel="$(find /wheels -name 'alambique-*.whl')" \
    && /opt/alambique/bin/pip install --no-cache-dir --use-pep517 -c constraints.txt "${wheel}[api]"

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 alambique \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/alambique \
       --shell /usr/sbin/nologin alambique \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/alambique
COPY --from=packages /opt/alambique /opt/alambique
ENV PATH=/opt/alambique/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/alambique \
    ALAMBIQUE_HOME=/var/lib/alambique
WORKDIR /var/lib/alambique
USER 10001:10001
EXPOSE 8400
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8400/healthz', timeout=4)"]
ENTRYPOINT ["alambique"]
CMD ["api", "--host", "0.0.0.0", "--port", "8400"]
