"""Access to the MLflow server: address, login and certificates as in MLflow's own client, and cures for errors."""

import base64
import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from lambda_fn.registry.secrets_manager import login
from lambda_fn.settings import Settings, redact_url
from lambda_fn.store.http_client import BY_PROXY
from lambda_fn.store.object_store import Misconfigured, Unavailable

CERTIFICATES = (
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)  # in order of precedence, as in the client
CLIENT_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
_DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mssql", "oracle")


class Access(NamedTuple):
    """The address without user name and password, the Authorization header, and the trusted certificates.

    `authorization` is None without a login; `tls` is None for the certificates of the system.
    """

    address: str
    authorization: str | None
    tls: ssl.SSLContext | None


def access(settings: Settings, environ: Mapping[str, str], now: datetime) -> Access:
    """Return the access to the server of MLFLOW_TRACKING_URI, which must be valid (`find_uri_fault`).

    Raises Misconfigured and Unavailable.
    """
    parts = split_url(settings.mlflow_tracking_uri or "")
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
    tls = _trust(environ) if parts.scheme == "https" else None
    return Access(address, _authorization(parts, settings, environ, now), tls)


def _authorization(parts: SplitResult, settings: Settings, environ: Mapping[str, str], now: datetime) -> str | None:
    """Return the header for the login in the secret or in the variables of MLflow's client.

    A password takes precedence over a token.

    Args:
        parts: of the address, which may have a login.
        settings: the secret, if any.
        environ: has the variables.
        now: the current time, UTC.

    Raises Misconfigured and Unavailable.
    """
    username = unquote(parts.username or "") or environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = unquote(parts.password or "") or environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if settings.mlflow_secret_arn:
        username, password = login(settings.mlflow_secret_arn, settings.aws_region, environ, now)
    token = environ.get("MLFLOW_TRACKING_TOKEN", "").strip()
    if token and not (username and password):
        if not re.fullmatch("[!-~]+", token):
            raise Misconfigured(
                "MLFLOW_TRACKING_TOKEN: contains characters that are not allowed in a header; set it to the token alone"
            )
        return f"Bearer {token}"
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}" if username else None


def _trust(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return the certificates of the first variable that is set. Raises Misconfigured for an unreadable file."""
    name = next((name for name in CERTIFICATES if environ.get(name)), "")
    path, client = Path(environ.get(name, "")), environ.get(CLIENT_CERTIFICATE)
    if not (name or client):
        return None
    try:
        if name and not path.exists():
            raise FileNotFoundError(path)
        is_folder = path.is_dir()
        context = ssl.create_default_context(
            cafile=str(path) if name and not is_folder else None, capath=str(path) if name and is_folder else None
        )
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{name}: {path} contains no readable certificates; name a PEM file") from error
    try:
        if client:
            context.load_cert_chain(client)
    except (OSError, ValueError) as error:
        cure = "name a PEM file with certificate and key"
        raise Misconfigured(
            f"{CLIENT_CERTIFICATE}: {client} cannot be read ({type(error).__name__}); {cure}"
        ) from error
    return context


def split_url(uri: str) -> SplitResult:
    """Split an address as urlsplit does. All parts are empty if the text is not an address."""
    try:
        return urlsplit(uri)
    except ValueError:  # such as an unclosed [
        return SplitResult("", "", "", "", "")


def find_uri_fault(uri: str | None) -> str:
    """Return why the text is not the address of a server, or an empty string.

    The reason does not quote the text, which may contain a password.
    """
    if not uri:
        return "is unset; set it to the address of the MLflow server"
    parts = split_url(uri)
    scheme = parts.scheme.partition("+")[0]
    if scheme in ("http", "https"):
        return "" if parts.hostname else "has no host; set it to an address such as http://mlflow.example.com:5000"
    if uri[0] in "'\"":
        return "is in quotes; write it without them"
    if uri.startswith("arn:"):
        return "is managed MLflow of SageMaker, which only MLflow's client with its plug-in can access"
    if uri.startswith("databricks"):
        return "is Databricks, which only MLflow's client can access"
    if scheme in _DATABASES:
        return "is a database; start a server on it (mlflow server --backend-store-uri), and give its address"
    if re.match(r"\w[\w.-]*(:[0-9]+)?(/|$)", uri) and ("." in uri or ":" in uri):
        return f"has no scheme; write http:// or https:// before {redact_url(uri)[:80]}"
    if scheme in ("", "file"):
        return "is a folder; start a server on it (mlflow server), and give its address"
    return f"has the scheme {scheme[:20]}; it must be http or https"


def suggest_cure(error: Unavailable, address: str) -> str:
    """Return the cure for a request without a response, by the cause of its error."""
    if BY_PROXY in str(error):
        return "check the proxy of HTTP_PROXY or HTTPS_PROXY, or add the server to NO_PROXY"
    cause = error.__cause__
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, socket.gaierror):
        return "its name cannot be resolved here: correct it, or make this network resolve it"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            "its certificate is not trusted: name that of its authority in MLFLOW_TRACKING_SERVER_CERT_PATH, and use "
            "the host name in the certificate (MLFLOW_TRACKING_INSECURE_TLS is ignored)"
        )
    if isinstance(reason, ssl.SSLError):
        return "it does not speak TLS there, or requires a client certificate: write http:// if it has no TLS"
    if isinstance(reason, TimeoutError):
        return (
            "it cannot be reached from here, or is too slow: in a VPC set RefreshSubnetIds and "
            "RefreshSecurityGroupIds, with a NAT if it is outside, and open its security group to this one"
        )
    if isinstance(reason, ConnectionRefusedError):
        return "nothing listens there: start the server, or correct host and port"
    if isinstance(reason, http.client.HTTPException | ConnectionError) and address.startswith("http://"):
        return "it does not speak HTTP there: write https:// if it has TLS"
    return "correct the address, or check the MLflow server's log"
