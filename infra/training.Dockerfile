# The training half: `docker run IMAGE run --help`, any command of `python -m training`, as AWS Batch's jobs run it.
# With another entry point it is the MLflow server of the same version: `python -m infra.mlflow_server serve`.
# It keeps nothing: state is in the store and in MLflow. It runs with a read-only root, and writes nothing but /tmp; the
# server keeps its databases in /data, which a volume there takes its owner from.
# On the serving image's base, so that one pull serves both. Lines that the classic builder and BuildKit both take.
FROM public.ecr.aws/lambda/python:3.12

# In a layer before the code, so that a change of the code does not install 2 GB again. pip fetches uv, of the version
# and with the hashes that the lock of the development tools has, and uv installs the rest several times faster.
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
COPY infra/__init__.py infra/mlflow_backup.py infra/mlflow_server.py /app/infra/
RUN chmod -R a+rX /app && /opt/training/bin/python -m compileall -q --invalidation-mode unchecked-hash /app \
    && install -d -o 1000 -g 1000 /data

# One thread a task: sums on two threads round differently, and tasks share a machine. Whatever wants a cache finds /tmp.
ENV PATH=/opt/training/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    STORE_DIR=/tmp/store \
    MLFLOW_TRACKING_URI=sqlite:////tmp/mlflow.db

WORKDIR /tmp
USER 1000:1000
# checkov:skip=CKV_DOCKER_2:a job that ends has no health; its exit code tells
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]
