"""The environment's variables: defaults, errors that name the variable and the cure, and .env.example."""

import base64
from pathlib import Path

import pytest

from lambda_fn.settings import VARIABLES, Settings, SettingsError
from lambda_fn.store.command_line import read_dotenv

EXAMPLE = Path(__file__).parents[2] / ".env.example"

# Points of small order: their y coordinates, canonical and not, with either sign bit.
_P = 2**255 - 19
_ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
_WEAK_Y = (0, 1, _P - 1, _P, _P + 1, int.from_bytes(_ORDER_8, "little"), _P - int.from_bytes(_ORDER_8, "little"))
WEAK_KEYS = [base64.b64encode((y | sign << 255).to_bytes(32, "little")).decode() for y in _WEAK_Y for sign in (0, 1)]


def test_defaults() -> None:
    settings = Settings.from_env({})
    assert settings == Settings(
        use_s3=False,
        s3_bucket=None,
        model_info_key="models/best_model_info.json",
        pairs=("EURUSD",),
        aws_region="us-east-1",
        mlflow_tracking_uri=None,
        store_dir=".",
        s3_endpoint=None,
        champion_max_age_s=60.0,
        ecb_url="https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip",
        mlflow_secret_arn=None,
        mlflow_hook_secret=None,
        mlflow_hook_secret_arn=None,
        refresh_function=None,
        champion_public_keys=(),
        champion_signing_key=None,
        refuse_expired=False,
        cors_origin=None,
        base_path="",
        sign_in=None,
        stack="local",
    )
    assert settings.pair == "EURUSD"


def test_an_empty_value_is_the_default() -> None:
    assert Settings.from_env({variable.name: "" for variable in VARIABLES}) == Settings.from_env({})


def test_every_variable_is_read() -> None:
    given = {
        "USE_S3": "True",
        "S3_BUCKET": "prices-and-champions",
        "S3_MODEL_INFO_KEY": "models/GBPUSD/best_model_info.json",
        "PAIRS": "GBPUSD,EURUSD",
        "AWS_REGION": "eu-central-1",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "STORE_DIR": "/data",
        "AWS_ENDPOINT_URL_S3": "http://s3:8333/",
        "CHAMPION_MAX_AGE_S": "0",
        "CHAMPION_PUBLIC_KEYS": base64.b64encode(bytes(31) + b"\x01").decode(),
        "CHAMPION_SIGNING_KEY": "a-secret",
        "REFUSE_EXPIRED": "true",
        "ECB_URL": "http://127.0.0.1/rates.zip",
        "MLFLOW_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:m",
        "MLFLOW_HOOK_SECRET": "a-secret-of-a-webhook",
        "MLFLOW_HOOK_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:w",
        "REFRESH_FUNCTION": "eurusd-forecast-RefreshFunction-1",
        "CORS_ORIGIN": "https://example.com",
        "BASE_PATH": "fx",
        "SIGN_IN_CLIENT_ID": "page",
        "SIGN_IN_ISSUER": "https://issuer.example/",
        "SIGN_IN_AUTHORIZATION_ENDPOINT": "https://issuer.example/authorize",
        "SIGN_IN_TOKEN_ENDPOINT": "https://issuer.example/token",
        "SIGN_OUT_URL": "https://issuer.example/logout?client_id=page",
        "STACK": "eurusd-forecast",
    }
    assert set(given) == {variable.name for variable in VARIABLES}
    settings, defaults = Settings.from_env(given), Settings.from_env({})
    assert all(getattr(settings, name) != getattr(defaults, name) for name in Settings._fields)
    assert settings.s3_endpoint == "http://s3:8333"
    assert settings.pair == "GBPUSD"


ADDRESSES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "ECB_URL")
ODD = (
    "s3.example",
    "ftp://rates",
    "http://",
    "http://:80",
    "http://host:x",
    "http://h:99999",
    "http://[::1",
    "http://a b",
)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("USE_S3", "maybe", "'maybe' .*; .*true or false$"),
        ("CHAMPION_MAX_AGE_S", "a minute", r"'a minute' .*\bnumber; .*\b60$"),
        ("CHAMPION_MAX_AGE_S", "-1", r"'-1' .*; .*\bzero\b"),
        ("CHAMPION_MAX_AGE_S", "nan", r"'nan' .*; .*\bzero\b"),
        ("REFUSE_EXPIRED", "perhaps", "'perhaps' .*; .*true or false$"),
        ("CHAMPION_PUBLIC_KEYS", "short", "'short' .*; .*32 bytes"),
        ("CHAMPION_PUBLIC_KEYS", f"${base64.b64encode(bytes([7] * 32)).decode()}", r"'\$Bw.*; .*32 bytes"),
        ("CHAMPION_PUBLIC_KEYS", ",", "names no key"),
        ("CHAMPION_PUBLIC_KEYS", " , ", "names no key"),
        *(("CHAMPION_PUBLIC_KEYS", key, "anybody can sign") for key in WEAK_KEYS),
        ("S3_MODEL_INFO_KEY", "/models/best_model_info.json", r"not a key; .*models/best_model_info\.json$"),
        ("S3_MODEL_INFO_KEY", "models/../secret.json", "not a key; "),
        ("S3_MODEL_INFO_KEY", "models/\x07.json", "not a key; "),
        ("S3_MODEL_INFO_KEY", f"models/{'x' * 200}.json", "not a key; "),
        ("S3_MODEL_INFO_KEY", "serving/active.json", r"\bfolder\b.*; .*models/best_model_info\.json$"),
        ("S3_MODEL_INFO_KEY", "record/EURUSD/2026-10-30.json", r"\bfolder\b.*; .*models/best_model_info\.json$"),
        ("S3_MODEL_INFO_KEY", "models/GBPUSD/history/00000001.json", r"\bfolder\b.*; .*models/best_model_info\.json$"),
        ("CHAMPION_MAX_AGE_S", "\uff16\uff10", r"\bnumber; .*\b60$"),
        ("CHAMPION_MAX_AGE_S", "inf", r"'inf' .*; .*\bzero\b"),
        ("CHAMPION_MAX_AGE_S", "1e999", r"'1e999' .*; .*\bzero\b"),
        ("CORS_ORIGIN", "https://example.com\nSet-Cookie: a=b", r"; .*https://a\.example\b"),
        ("CORS_ORIGIN", "https://example.com/page", r"; .*https://a\.example\b"),
        ("STACK", "a b", "set it to up to 128 letters"),
        *(("BASE_PATH", path, "; .* /fx$") for path in ("a b", "..", "a/../b", "a//b", "https://x")),
        ("BASE_PATH", "/fx?x=1", "; .* /fx$"),
        *((name, address, r"; .*https://example\.com:8333$") for name in ADDRESSES for address in ODD),
        *((name, "https://user:p@ss@host", r"\blogin; .*@$") for name in ADDRESSES),
    ],
)
def test_an_error_names_the_variable_and_the_cure(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: .*{message}"):
        Settings.from_env({name: value})


def test_s3_needs_a_bucket() -> None:
    with pytest.raises(SettingsError, match=r"^S3_BUCKET: .*\bUSE_S3=true; "):
        Settings.from_env({"USE_S3": "true"})


@pytest.mark.parametrize(
    ("bucket", "cure"),
    [
        ("s3://forecasts", "set it to forecasts"),
        ("s3://forecasts/models/", "set it to forecasts"),
        ("s3a://forecasts", "set it to forecasts"),
        ("forecasts/models", "set it to forecasts"),
        ("forecasts/", "set it to forecasts"),
        ("arn:aws:s3:::forecasts", "set it to forecasts"),
        ("arn:aws-cn:s3:::forecasts/*", "set it to forecasts"),
        ("arn:aws:s3:eu-central-1:123456789012:accesspoint/ap", "-s3alias"),
        ("fore casts", "bucket's name alone"),
        ("forecasts\n2", "bucket's name alone"),
        ("https://forecasts.s3.amazonaws.com", "bucket's name alone"),
        ("b\u00fcro", "bucket's name alone"),
        ("..", "bucket's name alone"),
        ("", "required"),
    ],
)
def test_what_is_no_name_of_a_bucket_is_refused_with_the_name(bucket: str, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure) as caught:
        Settings.from_env({"USE_S3": "true", "S3_BUCKET": bucket})
    assert str(caught.value).startswith("S3_BUCKET: ")
    assert Settings.from_env({"S3_BUCKET": bucket}).use_s3 is False, "a folder needs no bucket"


@pytest.mark.parametrize(
    "bucket",
    ["forecasts", "my.bucket-1", "Old_Bucket", "ap-0123456789abcdef-s3alias", "forecasts--euc1-az1--x-s3", "x" * 63],
)
def test_names_of_buckets_that_exist_are_taken(bucket: str) -> None:
    """Of AWS, now and formerly, of access points, directory buckets and other servers."""
    assert Settings.from_env({"USE_S3": "true", "S3_BUCKET": bucket}).s3_bucket == bucket


@pytest.mark.parametrize("region", ["eu central-1", "eu-central-1\n-", "\u00e9", "https://x"])
def test_a_region_that_would_break_an_address_is_refused(region: str) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        with pytest.raises(SettingsError, match=r"AWS_REGION: .* such as eu-central-1"):
            Settings.from_env({"USE_S3": "true", "S3_BUCKET": "b", name: region})


@pytest.mark.parametrize("region", ["eu-central-1", "auto", "garage", "nyc3", "my_region", "cn-north-1", ""])
def test_regions_of_any_server_are_taken(region: str) -> None:
    given = {"USE_S3": "true", "S3_BUCKET": "b", "AWS_REGION": region}
    assert Settings.from_env(given).aws_region == (region or "us-east-1")


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({"AWS_ENDPOINT_URL": "http://localhost:4566/"}, "http://localhost:4566"),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3"}, "http://s3"),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": " "}, "http://all"),
        ({"AWS_ENDPOINT_URL": ""}, None),
        ({"MLFLOW_S3_ENDPOINT_URL": "http://mlflows"}, None),
    ],
)
def test_the_endpoint_of_all_services_is_that_of_s3_too(given: dict[str, str], endpoint: str | None) -> None:
    assert Settings.from_env(given).s3_endpoint == endpoint


@pytest.mark.parametrize(
    ("text", "base_path"),
    [("fx", "/fx"), ("/fx/", "/fx"), ("fx/v1", "/fx/v1"), ("/", ""), ("//", ""), (" /fx ", "/fx"), ("a.b~c", "/a.b~c")],
)
def test_a_base_path_begins_with_a_slash_and_ends_without(text: str, base_path: str) -> None:
    assert Settings.from_env({"BASE_PATH": text}).base_path == base_path


@pytest.mark.parametrize(
    ("key", "pair"),
    [("models/JPYUSD/best_model_info.json", "JPYUSD"), ("models/eurusd/x.json", "EURUSD"), ("info.json", "EURUSD")],
)
def test_the_pair_is_the_pointers_folder(key: str, pair: str) -> None:
    assert Settings.from_env({"S3_MODEL_INFO_KEY": key}).pair == pair


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ({"PAIRS": "EURUSD"}, {"EURUSD": "models/best_model_info.json"}),
        (
            {"PAIRS": "GBPUSD,EURUSD"},
            {"GBPUSD": "models/GBPUSD/best_model_info.json", "EURUSD": "models/best_model_info.json"},
        ),
        ({"PAIRS": "USDJPY", "S3_MODEL_INFO_KEY": "team/info.json"}, {"USDJPY": "team/USDJPY/info.json"}),
        (
            {"PAIRS": "EURUSD,USDJPY", "S3_MODEL_INFO_KEY": "team/USDJPY/info.json"},
            {"EURUSD": "team/info.json", "USDJPY": "team/USDJPY/info.json"},
        ),
        (
            {"PAIRS": "EURUSD,USDJPY", "S3_MODEL_INFO_KEY": "info.json"},
            {"EURUSD": "info.json", "USDJPY": "USDJPY/info.json"},
        ),
        ({"S3_MODEL_INFO_KEY": "models/USDEUR/x.json"}, {"USDEUR": "models/USDEUR/x.json"}),
    ],
)
def test_each_pair_has_a_pointer_beside_the_others(given: dict[str, str], pointers: dict[str, str]) -> None:
    settings = Settings.from_env(given)
    assert settings.pairs == tuple(pointers)
    assert settings.pair == settings.pairs[0]
    for start in settings.pairs:
        for pair, key in pointers.items():
            there = settings.for_pair(start).for_pair(pair)
            assert (there.pair, there.model_info_key) == (pair, key)
            assert there._replace(model_info_key=settings.model_info_key) == settings


def test_a_pointer_of_a_pair_that_is_not_served_is_a_contradiction() -> None:
    given = {"PAIRS": "EURUSD,USDJPY", "S3_MODEL_INFO_KEY": "models/GBPUSD/best_model_info.json"}
    with pytest.raises(SettingsError, match=r"^S3_MODEL_INFO_KEY: .*\bGBPUSD, .*; .*\bPAIRS\b"):
        Settings.from_env(given)


def test_the_real_environment_wins_over_dotenv(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("STORE_DIR=from-file\nAWS_REGION=eu-west-1\nNO_VALUE\n")
    found = read_dotenv(path, {"STORE_DIR": "from-environment"})
    assert found == {"STORE_DIR": "from-environment", "AWS_REGION": "eu-west-1"}
    assert read_dotenv(tmp_path / "absent", {"A": "1"}) == {"A": "1"}


def test_the_example_lists_every_variable_with_its_default_and_meaning() -> None:
    written = [block.splitlines() for block in EXAMPLE.read_text().strip().split("\n\n")[1:]]
    assert written == [[f"# {each.meaning}", f"{each.name}={each.default}"] for each in VARIABLES]


def test_the_example_is_the_defaults() -> None:
    found = Settings.from_env(read_dotenv(EXAMPLE, {}))
    assert found == Settings.from_env({"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})
