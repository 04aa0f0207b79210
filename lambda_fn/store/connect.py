"""The store that the settings name."""

from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.store import S3Store

from lambda_fn.settings import Settings
from lambda_fn.store.objects import Patience, Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig  # exists for type checkers only

CONNECT_TIMEOUT = timedelta(seconds=0.5)
TIMEOUT = timedelta(seconds=1.8)  # so that a caller who gets nothing is told within two seconds
NO_PROGRESS = timedelta(seconds=2)  # of a large object: as long as bytes come it may take longer
LARGE_TIMEOUT = timedelta(seconds=6)  # 32 MiB at 5.6 MB/s; with the pointer's 2 s it ends within the API's 10
PATIENT_TIMEOUT = timedelta(seconds=60)  # of a job that nobody waits for
PATIENT_RETRIES = 5


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
    if patient:
        return Store(_bucket(settings, TIMEOUT, PATIENT_TIMEOUT, PATIENT_RETRIES), name)
    large = Patience(
        reading=lambda: _bucket(settings, CONNECT_TIMEOUT, LARGE_TIMEOUT, 0, read_timeout=NO_PROGRESS),
        writing=lambda: _bucket(settings, CONNECT_TIMEOUT, LARGE_TIMEOUT, 0),
    )
    return Store(_bucket(settings, CONNECT_TIMEOUT, TIMEOUT, 0), name, large)


def _bucket(
    settings: Settings, connect: timedelta, timeout: timedelta, retries: int, read_timeout: timedelta | None = None
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
    )
