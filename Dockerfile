# syntax=docker/dockerfile:1
# Everything in the image comes from the lock, each file checked by its hash.

FROM python:3.13-slim AS build
# 1: with the hot modules compiled, by a C compiler that is one of the wheels.
ARG COMPILE_LEADSCORE=0
WORKDIR /build
COPY requirements-build.txt requirements-compile.txt requirements.txt ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
    --requirement "$([ "$COMPILE_LEADSCORE" = 1 ] && echo requirements-compile.txt || echo requirements-build.txt)" \
    && python -m venv --without-pip /opt/leadscore \
    && pip --python /opt/leadscore/bin/python install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY worker worker
RUN COMPILE_LEADSCORE=$COMPILE_LEADSCORE /opt/build/bin/python -m hatchling build --target wheel --directory /dist \
    && pip --python /opt/leadscore/bin/python install --no-cache-dir --no-deps /dist/*.whl


FROM python:3.13-slim
RUN groupadd --system --gid 10001 leadscore \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin leadscore \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/leadscore
COPY --from=build /opt/leadscore /opt/leadscore

# The root file system may be read-only: state is in the volume, scratch files in /tmp, and no byte code is written.
ENV PATH=/opt/leadscore/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/tmp \
    LEADSCORE_STORE=rocksdb:///var/lib/leadscore
VOLUME /var/lib/leadscore
WORKDIR /var/lib/leadscore
USER 10001:10001

# Liveness by loopback: the address that the worker listens on unless it is told otherwise. A recovery that takes long is alive.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:6066/livez', timeout=4)"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["leadscore"]
CMD ["run"]
