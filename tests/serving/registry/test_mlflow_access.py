"""An MLflow server is reached with the logins and certificates of MLflow's own client, and each failure has a cure."""

import base64
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.request import Request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lambda_fn.registry.mlflow_access import access
from lambda_fn.registry.mlflow_client import MlflowServer, Version
from lambda_fn.settings import Settings
from lambda_fn.store.command_line import exit_code
from lambda_fn.store.http_client import send_request
from lambda_fn.store.object_store import Misconfigured, Unavailable
from tests.support.mlflow_fake import CHAMPION, Fake
from tests.support.recorder import Asked, Reply, recording

NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
URI = "models:/EURUSD_LSTM@champion"


def server(address: str, environ: Mapping[str, str]) -> MlflowServer:
    return MlflowServer(*access(Settings.from_env({"MLFLOW_TRACKING_URI": address}), environ, NOW))


def version(address: str, **environ: str) -> Version:
    return server(address, environ).version(URI)


def basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


LOGINS: dict[str, tuple[dict[str, str], str | None]] = {
    "none": ({}, None),
    "a token": ({"MLFLOW_TRACKING_TOKEN": "T0K"}, "Bearer T0K"),
    "a token with a line end": ({"MLFLOW_TRACKING_TOKEN": "T0K\n"}, "Bearer T0K"),
    "an empty token": ({"MLFLOW_TRACKING_TOKEN": " "}, None),
    "user and password": (
        {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "pw"},
        basic("me", "pw"),
    ),
    "both": (
        {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "pw", "MLFLOW_TRACKING_TOKEN": "T0K"},
        basic("me", "pw"),
    ),
    "a user without a password, and a token": (
        {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_TOKEN": "T0K"},
        "Bearer T0K",
    ),
}


@pytest.mark.parametrize("case", LOGINS)
def test_the_login_is_the_one_that_mlflows_client_sends(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environ, expected = LOGINS[case]
    with recording(Fake({})) as fake:
        version(fake.address, **environ)
    assert fake.asked[0].headers.get("authorization") == expected
    if "line end" not in case and "empty" not in case:  # with these the client fails
        assert client_login(environ, monkeypatch) == expected


def client_login(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What MLflow's own client sends."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    with monkeypatch.context() as patched, recording(lambda _: Reply()) as seen:
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
            patched.delenv(name, raising=False)
        for name, value in environ.items():
            patched.setenv(name, value)
        credentials = get_default_host_creds(seen.address)  # type: ignore[no-untyped-call]
        http_request(credentials, "/x", "GET", max_retries=0)  # type: ignore[no-untyped-call]
    return seen.asked[0].headers.get("authorization")


def test_a_token_that_no_header_can_have_is_a_mistake() -> None:
    with pytest.raises(Misconfigured, match="MLFLOW_TRACKING_TOKEN") as caught:
        server("http://127.0.0.1:9", {"MLFLOW_TRACKING_TOKEN": "hun\nter2"})
    assert "ter2" not in str(caught.value)


def test_the_token_goes_to_no_other_server() -> None:
    with recording(Fake({})) as files:
        with recording(Fake({}, f"mlflow-artifacts://{files.address.removeprefix('http://')}/1/x")) as fake:
            found = server(fake.address, {"MLFLOW_TRACKING_TOKEN": "T0K"})
            assert found.model(found.version(URI), Settings.from_env({})) == CHAMPION
    assert {asked.headers.get("authorization") for asked in fake.asked} == {"Bearer T0K"}
    assert {asked.headers.get("authorization") for asked in files.asked} == {None}


def certificate(folder: Path, host: str = "127.0.0.1") -> Path:
    """A certificate that is its own authority, with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    alternative = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    now = datetime.now(UTC)
    public = key.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{host}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


def serving(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
)
def test_a_certificate_is_trusted_that_a_variable_names(pem: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, str(pem))  # OpenSSL reads the last one itself
    with recording(Fake({}), serving(pem)) as fake:
        found = server(fake.address, {name: str(pem)})
        assert found.model(found.version(URI), Settings.from_env({})) == CHAMPION


def test_the_clients_variable_wins_and_a_folder_is_taken(pem: Path, tmp_path: Path) -> None:
    (tmp_path / f"{subject_hash(pem)}.0").write_bytes(pem.read_bytes())
    given = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path), "REQUESTS_CA_BUNDLE": "/nowhere"}
    with recording(Fake({}), serving(pem)) as fake:
        assert version(fake.address, **given).number == "3"


def subject_hash(pem: Path) -> str:
    """By which OpenSSL finds a certificate in a folder."""
    call = ["openssl", "x509", "-hash", "-noout", "-in", str(pem)]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()


def test_a_certificate_of_the_client_is_sent(pem: Path) -> None:
    asking = serving(pem)
    asking.verify_mode = ssl.CERT_REQUIRED
    asking.load_verify_locations(pem)
    given = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(pem)}
    with recording(Fake({}), asking) as fake:
        assert version(fake.address, **given, MLFLOW_TRACKING_CLIENT_CERT_PATH=str(pem)).number == "3"
        with pytest.raises(Unavailable, match=r"a client certificate|not answer"):
            version(fake.address, **given)


@pytest.mark.parametrize("insecure", [{}, {"MLFLOW_TRACKING_INSECURE_TLS": "true"}])
def test_an_unknown_certificate_is_refused_with_the_variable_to_set(pem: Path, insecure: dict[str, str]) -> None:
    """Also where the client would not look: what comes from there decides about money."""
    with recording(Fake({}), serving(pem)) as fake:
        with pytest.raises(Unavailable, match=r"not trusted: .*MLFLOW_TRACKING_SERVER_CERT_PATH"):
            version(fake.address, **insecure)
    assert fake.asked == []


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    other = certificate(tmp_path, "other.example")
    with recording(Fake({}), serving(other)) as fake:
        with pytest.raises(Unavailable, match=r"\bhost name\b.*\bMLFLOW_TRACKING_INSECURE_TLS\b"):
            version(fake.address, MLFLOW_TRACKING_SERVER_CERT_PATH=str(other))


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_cannot_be_read_are_a_mistake(name: str, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for path in (tmp_path / "absent.pem", tmp_path / "no.pem"):
        with pytest.raises(Misconfigured, match=rf"^{name}: {re.escape(str(path))} .*; .*\bPEM\b") as caught:
            server("https://127.0.0.1:9", {name: str(path)})
        assert exit_code(caught.value) == 2
        assert server("http://127.0.0.1:9", {name: str(path)}).tls is None, "no TLS, no certificates"


def test_a_clients_certificate_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^MLFLOW_TRACKING_CLIENT_CERT_PATH: "):
        server("https://127.0.0.1:9", {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(tmp_path / "absent.pem")})


@contextmanager
def odd(reply: bytes) -> Iterator[str]:
    """A server that speaks something else: it sends this, whatever comes."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_the_wrong_scheme_is_told(pem: Path) -> None:
    with recording(Fake({})) as fake, pytest.raises(Unavailable, match=r"\bTLS\b.*: .*\bhttp://"):
        version(fake.address.replace("http://", "https://"))
    for reply in (b"\x15\x03\x01\x00\x02\x02\x46", b""):  # an alert of TLS, and nothing
        with odd(reply) as host, pytest.raises(Unavailable, match=r"\bHTTP there: .*\bhttps://"):
            version(f"http://{host}")


def test_a_host_without_a_name_and_a_port_without_a_server_are_told() -> None:
    with pytest.raises(Unavailable, match=r"MLFLOW_TRACKING_URI: .*nothing listens there"):
        version("http://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"^MLFLOW_TRACKING_URI: .*\bmlflow\.invalid:5000\b.*; its name\b"):
        version("http://mlflow.invalid:5000")


def test_silence_is_told_with_what_a_vpc_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def wait(_: Asked) -> Reply:
        released.wait(30)
        return Reply()

    monkeypatch.setattr("lambda_fn.registry.mlflow_client.TIMEOUT_S", 0.2)
    with recording(wait) as silent:
        try:
            with pytest.raises(Unavailable, match=r"timed out.*RefreshSubnetIds.*NAT") as caught:
                version(silent.address)
        finally:
            released.set()
    assert exit_code(caught.value) == 75


def test_a_proxy_is_named_where_it_is_the_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with recording(Fake({})) as fake, pytest.raises(Unavailable, match=r"proxy 127\.0\.0\.1:9 .*NO_PROXY") as caught:
        version(fake.address)
    assert fake.address in str(caught.value) and "hunter2" not in str(caught.value)


def test_a_redirect_is_an_answer_that_says_where_it_leads() -> None:
    with recording(lambda _: Reply(302, b"", {"Location": "http://127.0.0.1:9/x"})) as moved:
        assert send_request(Request(moved.address), 5, 10) == (302, b"", "http://127.0.0.1:9/x")
