"""Open the store that the settings name: an S3 bucket or a folder."""

import os
from collections.abc import Mapping, MutableMapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, cast

from obstore.store import S3Store

from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.object_store import LargeObjectClients, Place, Store, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Credential  # exist for type checkers only

CONNECT_TIMEOUT = timedelta(seconds=0.5)
TIMEOUT = timedelta(seconds=1.8)  # so that a caller gets an error within two seconds
NO_PROGRESS = timedelta(seconds=2)  # while reading a large object, which may take longer as long as bytes arrive
LARGE_TIMEOUT = timedelta(seconds=6)  # 32 MiB at 5.6 MB/s; with the pointer's 2 s it ends within the API's 10
PATIENT_TIMEOUT = timedelta(seconds=60)  # for a job, for which no caller waits
PATIENT_RETRIES = 5
KEY_ID, SECRET_KEY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"  # set by Lambda, except with SnapStart
WEB_IDENTITY = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")
SUFFIXES = (  # (prefix of the region, domain of AWS's endpoints in its partition)
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("", "amazonaws.com"),
)
MIN_KEY = 8  # the last four characters of a longer access key may be shown


class Provider(Protocol):
    """A credential provider, which obstore calls again before the credentials expire; `name` is their owner."""

    @property
    def name(self) -> str: ...
    def __call__(self) -> "S3Credential": ...


def open_store(settings: Settings, patient: bool = False) -> Store:
    """Open the bucket or folder that the settings name.

    A bucket gets one attempt, with 0.5 s to connect and 1.8 s in total: obstore's default of ten attempts would block a
    request for minutes, although the cached value could be served. An object over 1 MiB gets 6 s in total, with at most
    2 s without progress.

    A `patient` store retries. Then `create` may return False for an object that this call created, if only the response
    was lost. Use it for keys that are derived from their content, or where any writer's object will do.
    """
    if not settings.use_s3 or settings.s3_bucket is None:
        from pathlib import Path

        from lambda_fn.store.local import FolderStore  # not needed for a bucket

        return FolderStore(Path(settings.store_dir))
    name = f"bucket {settings.s3_bucket}"
    clean_variables(os.environ)
    provider = credential_provider(os.environ)
    identity = provider.name if provider else "the role of this container or machine"
    if provider is None and (key := os.environ.get(KEY_ID)):
        identity = f"access key ...{key[-4:]}" if len(key) > MIN_KEY else "the access key"
    place = Place(settings.s3_bucket, settings.aws_region, identity)

    def to_error(key: str, text: str) -> Unavailable:
        from lambda_fn.store import s3_errors  # only on an error

        return s3_errors.to_error(place, key, text)

    if patient:
        return Store(_bucket(settings, provider, TIMEOUT, PATIENT_TIMEOUT, PATIENT_RETRIES), name, to_error=to_error)
    large = LargeObjectClients(
        reading=lambda: _bucket(settings, provider, CONNECT_TIMEOUT, LARGE_TIMEOUT, 0, read_timeout=NO_PROGRESS),
        writing=lambda: _bucket(settings, provider, CONNECT_TIMEOUT, LARGE_TIMEOUT, 0),
    )
    return Store(_bucket(settings, provider, CONNECT_TIMEOUT, TIMEOUT, 0), name, large, to_error)


def clean_variables(environ: MutableMapping[str, str]) -> None:
    """Remove empty AWS variables, and the blanks around the others.

    obstore and botocore read the environment themselves. They take an empty variable as set, and a line end after a key
    breaks the request.
    """
    for name in [name for name in environ if name.startswith("AWS_")]:
        text = environ[name].strip()
        if not text:
            del environ[name]
        elif text != environ[name]:
            environ[name] = text


def credential_provider(environ: Mapping[str, str]) -> "Provider | None":
    """Return a provider of the credentials that obstore does not find by itself, or None.

    obstore finds keys, a web identity and the role of an EC2 instance. Raises SettingsError.
    """
    if environ.get(KEY_ID) or environ.get(SECRET_KEY):
        for name, other in ((KEY_ID, SECRET_KEY), (SECRET_KEY, KEY_ID)):
            if not environ.get(name):
                raise SettingsError(f"{name}: missing, while {other} is set; set both or neither")
        return None
    if all(environ.get(name) for name in WEB_IDENTITY):
        return None
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        from lambda_fn.store.credentials import ContainerCredentials  # not needed for keys

        return ContainerCredentials(environ)
    from lambda_fn.store.credentials import profile_credentials  # only on developers' machines

    return profile_credentials(environ)


def aws_address(service: str, region: str) -> str:
    """Return the URL of an AWS service, such as s3, in a region of any partition."""
    suffix = next(suffix for prefix, suffix in SUFFIXES if region.startswith(prefix))
    return f"https://{service}.{region}.{suffix}"


def _bucket(
    settings: Settings,
    provider: "Provider | None",
    connect: timedelta,
    timeout: timedelta,
    retries: int,
    read_timeout: timedelta | None = None,
) -> S3Store:
    """Create obstore's client of the bucket.

    Args:
        settings: name the bucket, its region and its endpoint.
        provider: provides the credentials; None if obstore finds them.
        connect: time to connect.
        timeout: time for a request, and for all of its retries.
        retries: number of retries.
        read_timeout: time without progress while reading; None for no such limit.
    """
    endpoint = settings.s3_endpoint
    options: ClientConfig = {
        "allow_http": endpoint is not None,
        "connect_timeout": connect,
        "timeout": timeout,
    }
    if read_timeout is not None:
        options["read_timeout"] = read_timeout
    sts = (
        {}
        if os.environ.get("AWS_ENDPOINT_URL_STS")
        else {"aws_endpoint_url_sts": aws_address("sts", settings.aws_region)}
    )
    return S3Store(
        settings.s3_bucket,
        config=cast("S3Config", sts),  # the type lacks this key
        region=settings.aws_region,
        # Set also for AWS: obstore reads this variable itself, and panics if it is set but empty.
        aws_endpoint_url_s3=endpoint or aws_address("s3", settings.aws_region),
        virtual_hosted_style_request=False,
        client_options=options,
        retry_config={"max_retries": retries, "retry_timeout": timeout},
        credential_provider=provider,
    )
