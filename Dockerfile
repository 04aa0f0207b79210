# A demo on one machine: the server with a first champion, which is trained while the image is built.
#   docker build --target demo -t eurusd-demo . && docker run -p 8080:8080 eurusd-demo
# A file of its own, so that the image of Lambda and of the fallback never holds a model. Lines that the classic builder
# and BuildKit both take; the installations are those of the other two images, so the builders' caches serve both.
FROM public.ecr.aws/lambda/python:3.12 AS training

COPY requirements-training.txt requirements-dev.txt /tmp/
RUN sed -n '/^uv==/,/[^\\]$/p' /tmp/requirements-dev.txt > /tmp/uv.txt \
    && python -m pip install --disable-pip-version-check --no-cache-dir --require-hashes --no-deps \
        --only-binary :all: --root-user-action ignore --target /tmp/uv -r /tmp/uv.txt \
    && python -m venv /opt/training \
    && /tmp/uv/bin/uv pip install --quiet --no-cache --system-certs --python /opt/training/bin/python \
        --require-hashes --only-binary :all: --compile-bytecode -r /tmp/requirements-training.txt \
    && rm -r /tmp/uv /tmp/uv.txt /tmp/requirements-training.txt /tmp/requirements-dev.txt

COPY lambda_fn/ /app/lambda_fn/
COPY training/ /app/training/

# The newest rates if the ECB answers within five seconds, otherwise the embedded ones. Two models of a few seconds each.
WORKDIR /store
RUN OMP_NUM_THREADS=1 PYTHONPATH=/app MLFLOW_TRACKING_URI=sqlite:////tmp/mlflow.db \
        /opt/training/bin/python -m training run --fresh 5 --families random_walk,calendar_cpi --first-year 2022 \
    && rm -rf mlruns

FROM public.ecr.aws/lambda/python:3.12 AS demo

COPY requirements-serving.txt /tmp/
RUN python -m pip install --disable-pip-version-check --no-cache-dir --no-compile --require-hashes \
        --only-binary :all: --root-user-action ignore --target "${LAMBDA_TASK_ROOT}" -r /tmp/requirements-serving.txt \
    && rm -r /tmp/requirements-serving.txt "${LAMBDA_TASK_ROOT}/bin" \
    && python -m compileall -q --invalidation-mode unchecked-hash "${LAMBDA_TASK_ROOT}"

COPY lambda_fn/ ${LAMBDA_TASK_ROOT}/lambda_fn/
RUN chmod -R a+rX "${LAMBDA_TASK_ROOT}/lambda_fn" \
    && python -m compileall -q --invalidation-mode unchecked-hash "${LAMBDA_TASK_ROOT}/lambda_fn" \
    && python -c "from lambda_fn.web.page import render; render.compile_templates()"
COPY --from=training /store/ /store/
# The server makes the forecast of each new day there.
RUN chown -R 1000:1000 /store

ENV STORE_DIR=/store \
    PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1

USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
# Ingest adds the ECB's new rates each hour, if there is a network; the server answers meanwhile.
ENTRYPOINT ["sh", "-c", \
    "while :; do python -m lambda_fn.ingest; sleep 3600; done & exec python -m lambda_fn.server --host 0.0.0.0"]
CMD []
