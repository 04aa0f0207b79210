"""The store that the settings name."""

from datetime import timedelta

from obstore.store import S3Store

from lambda_fn.settings import Settings
from lambda_fn.store.folder import FolderStore
from lambda_fn.store.objects import Store

CONNECT_TIMEOUT = timedelta(seconds=0.5)
TIMEOUT = timedelta(seconds=2)
PATIENT_TIMEOUT = timedelta(seconds=60)  # of a job that nobody waits for
PATIENT_RETRIES = 5


def open_store(settings: Settings, patient: bool = False) -> Store:
    """The bucket or the folder that the settings name. A bucket gets one attempt, 0.5 s to connect, 2 s in all:
    obstore's ten attempts would block a request for minutes, and what is in memory can be served meanwhile.

    A `patient` one tries again. Then `create` may say False of an object that this very call made, when only the answer
    was lost: for keys that are named by their content, or of which any writer's will do.
    """
    if not settings.use_s3 or settings.s3_bucket is None:
        return FolderStore(settings.store_dir)
    endpoint, timeout = settings.s3_endpoint, PATIENT_TIMEOUT if patient else TIMEOUT
    objects = S3Store(
        settings.s3_bucket,
        region=settings.aws_region,
        # Said also for AWS: obstore reads this variable itself, and panics when it is set but empty.
        aws_endpoint_url_s3=endpoint or f"https://s3.{settings.aws_region}.amazonaws.com",
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": endpoint is not None,
            "connect_timeout": TIMEOUT if patient else CONNECT_TIMEOUT,
            "timeout": timeout,
        },
        retry_config={"max_retries": PATIENT_RETRIES if patient else 0, "retry_timeout": timeout},
    )
    return Store(objects, f"bucket {settings.s3_bucket}")
