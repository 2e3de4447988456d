# syntax=docker/dockerfile:1
# An image of the `assay` command. Add scripts to /app in a derived image or with a mount; see docs/deploy.md.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV UV_LINK_MODE=copy UV_NO_CACHE=1
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /build
COPY pyproject.toml requirements.lock ./
# Install the runtime dependencies only, at the locked versions.
RUN uv venv /opt/assay \
 && uv pip install --python /opt/assay/bin/python --compile-bytecode --only-binary :all: \
    --constraints requirements.lock --requirements pyproject.toml
COPY README.md LICENSE ./
COPY docs docs
COPY src src
RUN uv build --wheel --build-constraints requirements.lock --require-hashes --out-dir dist . \
 && uv pip install --python /opt/assay/bin/python --compile-bytecode --no-deps dist/*.whl

FROM python:${PYTHON}-slim
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="assay" \
      org.opencontainers.image.description="A Lua runtime in which a plain Lua function is a durable Temporal workflow" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin assay
COPY --from=build /opt/assay /opt/assay
# The process writes no files, so it works with a read-only root filesystem.
ENV PATH=/opt/assay/bin:$PATH PYTHONDONTWRITEBYTECODE=1 ASSAY_LOG=json
WORKDIR /app
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s --retries=3 CMD ["assay", "health", "127.0.0.1:8080"]
ENTRYPOINT ["assay"]
CMD ["run", "--health", "0.0.0.0:8080", "worker.lua"]
