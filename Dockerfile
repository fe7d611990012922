# The worker's image: the locked dependencies, checked against their hashes, and our wheel. Nothing is built at start.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements-runtime.lock requirements-build.lock ./
RUN python3 -m venv /opt/duologue \
 && /opt/duologue/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements-runtime.lock \
 && python3 -m venv /opt/build \
 && /opt/build/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY activities activities
COPY worker worker
COPY workflows workflows
COPY duologue duologue
RUN /opt/build/bin/pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/duologue/bin/pip install --quiet --no-cache-dir --no-deps --no-index /dist/*.whl

FROM python:3.11-slim-bookworm
COPY --from=build /opt/duologue /opt/duologue
RUN useradd --create-home --uid 10001 duologue
USER duologue
WORKDIR /home/duologue
# Here, so that a volume in its place belongs to this user and to nobody else.
RUN mkdir --mode 700 .duologue
# The health endpoint answers the orchestrator too, which asks from outside.
ENV PATH=/opt/duologue/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DUOLOGUE_HEALTH_HOST=0.0.0.0 \
    DUOLOGUE_HEALTH_PORT=8234
EXPOSE 8234
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['DUOLOGUE_HEALTH_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["duologue"]
CMD ["worker"]
