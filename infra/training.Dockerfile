# The training half: `docker run IMAGE run --help`, any command of `python -m training`, as AWS Batch's jobs run it.
# With another entry point it is the MLflow server of the same version: `python -m infra.mlflow_server serve`.
# It keeps nothing: state is in the store and in MLflow. It runs with a read-only root, and writes nothing but /tmp; the
# server keeps its databases in /data, which a volume there takes its owner from.
# On the serving image's base, so that one pull serves both. Lines that the classic builder and BuildKit both take.
FROM public.ecr.aws/lambda/python:3.12

# Hash-locked, and in a layer of its own: a change of the code does not install 2 GB again.
COPY requirements-training.txt /tmp/
RUN python -m venv /opt/training \
    && /opt/training/bin/python -m pip install --disable-pip-version-check --no-cache-dir --require-hashes \
        --only-binary :all: -r /tmp/requirements-training.txt \
    && rm /tmp/requirements-training.txt

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
