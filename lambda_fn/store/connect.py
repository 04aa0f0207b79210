"""The store that the settings name."""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.store import S3Store

from lambda_fn.settings import Settings
from lambda_fn.store.objects import Patience, Place, Store, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig  # exists for type checkers only

    from lambda_fn.store.profile import Chain

CONNECT_TIMEOUT = timedelta(seconds=0.5)
TIMEOUT = timedelta(seconds=1.8)  # so that a caller who gets nothing is told within two seconds
NO_PROGRESS = timedelta(seconds=2)  # of a large object: as long as bytes come it may take longer
LARGE_TIMEOUT = timedelta(seconds=6)  # 32 MiB at 5.6 MB/s; with the pointer's 2 s it ends within the API's 10
PATIENT_TIMEOUT = timedelta(seconds=60)  # of a job that nobody waits for
PATIENT_RETRIES = 5
SOURCES = (  # of credentials, which obstore reads itself; Lambda sets the first
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
MIN_KEY = 8  # characters of which the last four may be told


def open_store(settings: Settings, patient: bool = False) -> Store:
    """The bucket or the folder that the settings name. A bucket gets one attempt, 0.5 s to connect, 1.8 s in all:
    obstore's ten attempts would block a request for minutes, and what is in memory can be served meanwhile. An object
    over 1 MiB gets 6 s in all, and 2 s in which nothing comes.

    A `patient` one tries again. Then `create` may say False of an object that this very call made, when only the answer
    was lost: for keys that are named by their content, or of which any writer's will do.
    """
    if not settings.use_s3 or settings.s3_bucket is None:
        from pathlib import Path

        from lambda_fn.store.folder import FolderStore  # which a bucket does not need

        return FolderStore(Path(settings.store_dir))
    name = f"bucket {settings.s3_bucket}"
    chain = _chain(os.environ)
    place = Place(settings.s3_bucket, settings.aws_region, chain.name if chain else _identity(os.environ))

    def tell(key: str, said: str) -> Unavailable:
        from lambda_fn.store.trouble import told  # only where there is some

        return told(place, key, said)

    if patient:
        return Store(_bucket(settings, chain, TIMEOUT, PATIENT_TIMEOUT, PATIENT_RETRIES), name, tell=tell)
    large = Patience(
        reading=lambda: _bucket(settings, chain, CONNECT_TIMEOUT, LARGE_TIMEOUT, 0, read_timeout=NO_PROGRESS),
        writing=lambda: _bucket(settings, chain, CONNECT_TIMEOUT, LARGE_TIMEOUT, 0),
    )
    return Store(_bucket(settings, chain, CONNECT_TIMEOUT, TIMEOUT, 0), name, large, tell)


def _chain(environ: Mapping[str, str]) -> "Chain | None":
    """What obstore cannot find itself; it does find keys, the role of a container, and that of a machine."""
    if any(environ.get(source) for source in SOURCES):
        return None
    from lambda_fn.store.profile import chain  # at people's own machines only

    return chain(environ)


def _identity(environ: Mapping[str, str]) -> str:
    """Who asks, as far as may be told."""
    if key := environ.get(SOURCES[0]):
        return f"access key ...{key[-4:]}" if len(key) > MIN_KEY else "the access key"
    return "the role of this container or machine"


def _bucket(
    settings: Settings,
    chain: "Chain | None",
    connect: timedelta,
    timeout: timedelta,
    retries: int,
    read_timeout: timedelta | None = None,
) -> S3Store:
    endpoint = settings.s3_endpoint
    options: ClientConfig = {
        "allow_http": endpoint is not None,
        "connect_timeout": connect,
        "timeout": timeout,
    }
    if read_timeout is not None:
        options["read_timeout"] = read_timeout
    return S3Store(
        settings.s3_bucket,
        region=settings.aws_region,
        # Said also for AWS: obstore reads this variable itself, and panics when it is set but empty.
        aws_endpoint_url_s3=endpoint or f"https://s3.{settings.aws_region}.amazonaws.com",
        virtual_hosted_style_request=False,
        client_options=options,
        retry_config={"max_retries": retries, "retry_timeout": timeout},
        credential_provider=chain,
    )
