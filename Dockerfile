# Two images: the server and one model on a slim Python (target server; `make image` builds it, docs/deployment.md
# runs it), and a Ray node that scores files (target ray; `make image-ray`, docs/bulk.md).
#
# It uses only instructions that every builder knows: docker with and without BuildKit, buildah and kaniko.
# Layers hold no times: the same lock, code and model give the same layers. The exception is the layer of 10 kB that hides
# pip, which the builder dates. Pin the base image to get the same image:
# --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm


# The environment: the locked wheels without the files that the server never imports, and byte-code for them and for the
# standard library. A read-only container cannot write byte-code, and a start without it takes three times as long.
FROM ${PYTHON_IMAGE} AS environment
ENV PYTHONHASHSEED=0
COPY requirements/server.txt deploy/container/slim.py /build/
RUN python -m venv --without-pip /app/venv \
    && pip --python /app/venv/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
        --no-deps --require-hashes --only-binary :all: -r /build/server.txt \
    && python /build/slim.py /app/venv
RUN python -m compileall -q --invalidation-mode unchecked-hash /app/venv/lib \
    && python -m compileall -q --invalidation-mode unchecked-hash \
        -x '/(site-packages|curses|distutils|ensurepip|idlelib|lib2to3|msilib|pydoc_data|sqlite3|test|tkinter|turtledemo|unittest|xml|xmlrpc)/|/(_pydecimal|_pyio|cgi|doctest|ftplib|imaplib|mailbox|nntplib|optparse|pdb|pickletools|poplib|pydoc|smtp.*|telnetlib|turtle)[.]py' \
        /usr/local/lib/python3.11 \
    && mkdir /layer && cp -a --parents -t /layer /app/venv \
    && find /usr/local/lib/python3.11 -name site-packages -prune -o -name __pycache__ -exec cp -a --parents -t /layer {} + \
    && find /layer -exec touch --no-dereference --date=2000-01-01T00:00:00Z {} +


# The code, and a check that the slim environment can import it.
FROM environment AS code
WORKDIR /code/app
COPY artifact artifact
COPY server server
COPY deploy/container/healthcheck.py ./
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /code artifact server \
    && /app/venv/bin/python -B -c 'import server.process' \
    && chmod -R a+rX,go-w /code \
    && find /code -exec touch --no-dereference --date=2000-01-01T00:00:00Z {} +


# The model, checked against its manifest.
FROM code AS model
ARG MODEL=models/default
COPY ${MODEL} /model/app/models/default
RUN /app/venv/bin/python -c 'import pathlib, artifact.manifest as a; a.load_artifact(pathlib.Path("/model/app/models/default"))' \
    && chmod -R a+rX,go-w /model \
    && find /model -exec touch --no-dereference --date=2000-01-01T00:00:00Z {} +


FROM ${PYTHON_IMAGE} AS server
# Nothing installs packages in this image, and scanners report the contents of pip and setuptools.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/bin/idle* /usr/local/bin/pydoc* /usr/local/lib/python3.11/ensurepip \
        /usr/local/lib/python3.11/site-packages/* \
    && touch --date=2000-01-01T00:00:00Z /usr/local/bin /usr/local/lib/python3.11 /usr/local/lib/python3.11/site-packages
COPY --from=environment /layer /
COPY --from=code /code /
COPY --from=model /model /

WORKDIR /app
USER 10001:10001
ENV PATH=/app/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    VERDICT_HOST=0.0.0.0
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/python3", "-I", "-S", "/app/healthcheck.py"]
ENTRYPOINT ["/app/venv/bin/python", "-m", "server"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG MODEL_NAME=unknown
ARG MODEL_VERSION=unknown
LABEL org.opencontainers.image.title="Verdict" \
    org.opencontainers.image.description="Text classification on plain CPUs" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    verdict.model.name="${MODEL_NAME}" \
    verdict.model.version="${MODEL_VERSION}"


# A node of a Ray cluster, head or worker, with bulk scoring: Ray, daft and pyarrow make it many times the server's size.
FROM ${PYTHON_IMAGE} AS ray
COPY requirements/bulk.txt /build/
RUN python -m venv /app/venv \
    && /app/venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: -r /build/bulk.txt \
    && useradd --uid 10001 --create-home ray
WORKDIR /app
COPY artifact artifact
COPY bulk bulk
COPY training/__init__.py training/__init__.py
COPY training/reading training/reading
COPY --from=model /model/app/models models
ENV PATH=/app/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    RAY_USAGE_STATS_ENABLED=0
RUN python -c 'import bulk.engine, ray'
USER 10001:10001
CMD ["python", "-m", "bulk", "--help"]


# A build that names no target makes the server. Named targets come first: builders without BuildKit stop at them.
FROM server
