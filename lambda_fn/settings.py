"""Settings read from environment variables: one immutable object, created at the entry point and passed down."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lambda_fn.variables import SignIn


class SettingsError(ValueError):
    """An environment variable is missing or invalid; the message names the variable and the cure."""


class Variable(NamedTuple):
    """An environment variable; an empty value counts as unset."""

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable("USE_S3", "false", "true: the store is the bucket S3_BUCKET; false: it is the folder STORE_DIR"),
    Variable("S3_BUCKET", "", "name of the bucket, required with USE_S3=true"),
    Variable(
        "S3_MODEL_INFO_KEY",
        "models/best_model_info.json",
        "key of the pointer that training publishes; models/GBPUSD/best_model_info.json for another pair",
    ),
    Variable(
        "PAIRS",
        "",
        "comma-separated pairs, such as EURUSD,GBPUSD, or majors or all; empty: the pair of S3_MODEL_INFO_KEY",
    ),
    Variable(
        "AWS_REGION",
        "us-east-1",
        "region of the bucket; unset: AWS_DEFAULT_REGION, or the region of the profile; set by Lambda",
    ),
    Variable("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db", "where training records runs and models; unset in serving"),
    Variable("STORE_DIR", ".", "the folder that is the store with USE_S3=false"),
    Variable("AWS_ENDPOINT_URL_S3", "", "URL of another S3 server; empty: AWS_ENDPOINT_URL, otherwise AWS"),
    Variable("CHAMPION_MAX_AGE_S", "60", "seconds after which serving checks for a newer champion"),
    Variable(
        "ECB_URL",
        "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip",
        "where the European Central Bank publishes the history of its reference rates",
    ),
    Variable("MLFLOW_SECRET_ARN", "", "secret with the MLflow server's user name and password; empty: no login"),
    Variable("MLFLOW_HOOK_SECRET", "", "secret of MLflow's webhook, or several by commas; empty: no webhook"),
    Variable("MLFLOW_HOOK_SECRET_ARN", "", "secret of AWS Secrets Manager with that; set by the template"),
    Variable("REFRESH_FUNCTION", "", "name of the function that the webhook starts; set by the template"),
    Variable(
        "CHAMPION_PUBLIC_KEYS",
        "",
        "comma-separated public keys in base64, one of which must have signed a champion; empty: no signature required",
    ),
    Variable(
        "CHAMPION_SIGNING_KEY",
        "",
        "key with which training signs: base64, a file with that, or awskms:<key id>; empty: no signature",
    ),
    Variable("REFUSE_EXPIRED", "false", "true: requests get a 503 once all days of the forecast have begun"),
    Variable(
        "CORS_ORIGIN",
        "",
        "origin whose pages may call the server from a browser, * for any; in AWS set the template's CorsOrigin",
    ),
    Variable("BASE_PATH", "", "path prefix that a custom domain adds to the API, such as /fx; set by the template"),
    Variable("SIGN_IN_CLIENT_ID", "", "client id of the sign-in page at the OpenID provider; empty: no sign-in page"),
    Variable("SIGN_IN_ISSUER", "", "issuer of the provider's ID tokens; in AWS the template's JwtIssuer"),
    Variable("SIGN_IN_AUTHORIZATION_ENDPOINT", "", "provider's address where people sign in"),
    Variable("SIGN_IN_TOKEN_ENDPOINT", "", "provider's address where the page gets its token"),
    Variable(
        "SIGN_OUT_URL", "", "provider's address that ends its own session; empty: signing out ends the page's only"
    ),
    Variable("STACK", "local", "name of the deployment, in its metrics and in signatures for it; set by the template"),
)
SIGN_IN = (
    *("SIGN_IN_CLIENT_ID", "SIGN_IN_ISSUER", "SIGN_IN_AUTHORIZATION_ENDPOINT", "SIGN_IN_TOKEN_ENDPOINT"),
    "SIGN_OUT_URL",
)
DEFAULTS = {variable.name: variable.default for variable in VARIABLES}
DEFAULT_PAIR = "EURUSD"
# At most 200 characters, because a folder store's lock file is named after the whole key.
KEY = re.compile(r"(?!.{201})(?!(.*/)?\.{1,2}(/|$))[\w.=@+-]+(/[\w.=@+-]+)*", re.ASCII)
STACK = re.compile(r"[A-Za-z0-9_.-]{1,128}")
STACK_RULE = "up to 128 letters, digits, '-', '_' and '.'"
# Also matches names of old buckets in us-east-1 and of buckets of other servers, which AWS no longer allows.
BUCKET = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")
_BASE_PATH = re.compile(r"(?!(.*/)?\.{1,2}(/|$))[\w.$+!*'()~-]+(/[\w.$+!*'()~-]+)*", re.ASCII)
RESERVED = ("prices", "record", "runs", "serving")  # top folders of the store that cannot hold a pointer
_PAIR = re.compile("[A-Z]{6}")
_ADDRESS = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?([/?#][!-~]*)?")
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.:\[\]_-]+")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Settings(NamedTuple):
    """Settings of one pair, `pair`, whose pointer has the key `model_info_key`; `for_pair` gives those of another.

    Ages are in seconds. `mlflow_tracking_uri` is None if the variable is unset.
    """

    use_s3: bool
    s3_bucket: str | None
    model_info_key: str
    pairs: tuple[str, ...]
    aws_region: str
    mlflow_tracking_uri: str | None
    store_dir: str
    s3_endpoint: str | None
    champion_max_age_s: float
    ecb_url: str
    mlflow_secret_arn: str | None
    mlflow_hook_secret: str | None
    mlflow_hook_secret_arn: str | None
    refresh_function: str | None
    champion_public_keys: tuple[bytes, ...]
    champion_signing_key: str | None
    refuse_expired: bool
    cors_origin: str | None
    base_path: str
    sign_in: "SignIn | None"
    stack: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Parse the variables of `VARIABLES`. Raises SettingsError naming the variable and the cure."""
        texts = {name: environ.get(name, "").strip() for name in DEFAULTS}
        value = {name: texts[name] or default for name, default in DEFAULTS.items()}
        use_s3 = _parse_boolean("USE_S3", value["USE_S3"])
        region = texts["AWS_REGION"] or _default_region(environ) or DEFAULTS["AWS_REGION"]
        if use_s3:
            _check_bucket(value["S3_BUCKET"])
            _check_pattern("AWS_REGION", region, BUCKET, "set it to the name of a region, such as eu-central-1")
        key = _check_key("S3_MODEL_INFO_KEY", value["S3_MODEL_INFO_KEY"])
        pairs = _parse_pairs(value["PAIRS"], key, bool(texts["S3_MODEL_INFO_KEY"]))
        origin = _check_pattern(
            "CORS_ORIGIN", value["CORS_ORIGIN"], _ORIGIN, "give one such as https://a.example, or *"
        )
        base_path = value["BASE_PATH"].strip("/")  # empty also for "/"
        sign_in = None
        if any(value[name] for name in SIGN_IN):
            from lambda_fn.variables import parse_sign_in  # not needed for a cold start without a sign-in

            try:
                sign_in = parse_sign_in(*(value[name] for name in SIGN_IN))
            except ValueError as error:
                raise SettingsError(str(error)) from error
        return cls(
            use_s3=use_s3,
            s3_bucket=value["S3_BUCKET"] or None,
            model_info_key=pointer_key(key, pairs[0]) if value["PAIRS"] else key,
            pairs=pairs,
            aws_region=region,
            mlflow_tracking_uri=texts["MLFLOW_TRACKING_URI"] or None,
            store_dir=value["STORE_DIR"],
            s3_endpoint=_check_url("AWS_ENDPOINT_URL_S3", value["AWS_ENDPOINT_URL_S3"])
            or _check_url("AWS_ENDPOINT_URL", environ.get("AWS_ENDPOINT_URL", "").strip()),
            champion_max_age_s=_parse_seconds("CHAMPION_MAX_AGE_S", value["CHAMPION_MAX_AGE_S"]),
            ecb_url=_check_url("ECB_URL", value["ECB_URL"], may_have_query=True) or DEFAULTS["ECB_URL"],
            mlflow_secret_arn=value["MLFLOW_SECRET_ARN"] or None,
            mlflow_hook_secret=value["MLFLOW_HOOK_SECRET"] or None,
            mlflow_hook_secret_arn=value["MLFLOW_HOOK_SECRET_ARN"] or None,
            refresh_function=value["REFRESH_FUNCTION"] or None,
            champion_public_keys=_parse_public_keys("CHAMPION_PUBLIC_KEYS", value["CHAMPION_PUBLIC_KEYS"]),
            champion_signing_key=value["CHAMPION_SIGNING_KEY"] or None,
            refuse_expired=_parse_boolean("REFUSE_EXPIRED", value["REFUSE_EXPIRED"]),
            cors_origin=origin or None,
            base_path=base_path
            and f"/{_check_pattern('BASE_PATH', base_path, _BASE_PATH, 'set it to a path such as /fx')}",
            sign_in=sign_in,
            stack=_check_pattern("STACK", value["STACK"], STACK, f"set it to {STACK_RULE}"),
        )

    def __repr__(self) -> str:
        """Return the settings without secrets, and without logins and queries of URLs."""
        redacted = self._replace(
            mlflow_hook_secret=self.mlflow_hook_secret and "...",
            champion_signing_key=self.champion_signing_key and "...",
            mlflow_tracking_uri=self.mlflow_tracking_uri and redact_url(self.mlflow_tracking_uri),
            s3_endpoint=self.s3_endpoint and redact_url(self.s3_endpoint),
            ecb_url=redact_url(self.ecb_url),
        )
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in redacted._asdict().items())})"

    @property
    def pair(self) -> str:
        """The currency pair: the pointer's folder if that is six capitals (GBPUSD), otherwise EURUSD."""
        return _folder_pair(self.model_info_key) or DEFAULT_PAIR

    def for_pair(self, pair: str) -> "Settings":
        """Return these settings with the `model_info_key` of another pair."""
        return self if pair == self.pair else self._replace(model_info_key=pointer_key(self.model_info_key, pair))

    def select_pairs(self, pair: str | None) -> tuple[str, ...]:
        """Return the pairs of a command: that of its option --pair, or all if it is None. Raises SettingsError."""
        if pair is None:
            return self.pairs
        if pair not in self.pairs:
            raise SettingsError(f"--pair: {pair[:40]!r} is not one of {', '.join(self.pairs)}; add it to PAIRS")
        return (pair,)


def pointer_key(key: str, pair: str) -> str:
    """Return the key of the pair's pointer, given the key of any pair's pointer; EURUSD's has no folder of its own."""
    folder, _, name = key.rpartition("/")
    if _folder_pair(key):
        folder = folder.rpartition("/")[0]
    return "/".join(part for part in (folder, "" if pair == DEFAULT_PAIR else pair, name) if part)


def _folder_pair(key: str) -> str | None:
    folder = key.rpartition("/")[0].rpartition("/")[2]
    return folder if _PAIR.fullmatch(folder) else None


def _parse_pairs(text: str, key: str, is_key_set: bool) -> tuple[str, ...]:
    key_pair = _folder_pair(key)
    if not text:
        return (key_pair or DEFAULT_PAIR,)
    from lambda_fn.currency_pairs import read_pairs  # not needed for a cold start with one pair

    try:
        pairs = read_pairs(text)
    except ValueError as error:
        raise SettingsError(f"PAIRS: {error}") from error
    if is_key_set and key_pair and key_pair not in pairs:
        cure = f"add {key_pair} to PAIRS, or unset S3_MODEL_INFO_KEY: each pair has its own pointer"
        raise SettingsError(f"S3_MODEL_INFO_KEY: {key} is the pointer of {key_pair}, which is not in PAIRS; {cure}")
    return pairs


def aws_config_files(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the paths of the AWS CLI's configuration and credentials files; empty without a home directory."""
    home = environ.get("HOME", "")
    config = environ.get("AWS_CONFIG_FILE") or (home and f"{home}/.aws/config")
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or (home and f"{home}/.aws/credentials")
    return config, credentials


def _default_region(environ: Mapping[str, str]) -> str | None:
    """Return the region that AWS's own tools use if AWS_REGION is unset."""
    if region := environ.get("AWS_DEFAULT_REGION", "").strip():
        return region
    files = [file for file in aws_config_files(environ) if file]
    if not files:
        return None
    from configparser import Error, RawConfigParser  # not needed if the region is set

    parser = RawConfigParser(strict=False)
    try:
        parser.read(files, encoding="utf-8")
    except (Error, OSError, UnicodeDecodeError):
        return None  # reading the credentials from these files reports the error
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    for section in (f"profile {profile}", profile):
        if region := parser.get(section, "region", fallback="").strip():
            return region
    return None


def _parse_boolean(name: str, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise SettingsError(f"{name}: {text!r} is neither true nor false; set it to true or false")
    return _BOOLEANS[text.lower()]


def _parse_seconds(name: str, text: str) -> float:
    try:
        if not text.isascii():
            raise ValueError("digits of another script")  # which float() accepts
        seconds = float(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {text!r} is not a number; set it to seconds, such as 60") from error
    if not (math.isfinite(seconds) and seconds >= 0):
        raise SettingsError(f"{name}: {text!r} is not an age; set it to zero or more seconds, such as 60")
    return seconds


def _check_pattern(name: str, text: str, pattern: re.Pattern[str], cure: str) -> str:
    if text and not pattern.fullmatch(text):
        raise SettingsError(f"{name}: {remove_logins(text)[:60]!r} is not valid; {cure}")
    return text


def _check_bucket(text: str) -> None:
    if BUCKET.fullmatch(text):
        return
    if not text:
        raise SettingsError("S3_BUCKET: required with USE_S3=true; set it to the name of the bucket")
    url = re.fullmatch(r"(?:s3a?://|arn:[a-z-]+:s3:::)?([A-Za-z0-9_-][A-Za-z0-9._-]*)(?:/.*)?", text)
    cure = f"set it to {url[1]}: keys begin at the top of the bucket" if url else "set it to the bucket's name alone"
    if ":accesspoint" in text:
        cure = "set it to the access point's alias, which ends with -s3alias"
    raise SettingsError(f"S3_BUCKET: {redact_url(text)[:210]!r} is not a bucket name; {cure}")


def _parse_public_keys(name: str, text: str) -> tuple[bytes, ...]:
    if not text:
        return ()
    from lambda_fn.variables import parse_public_keys  # not needed for a cold start without keys

    try:
        return parse_public_keys(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def _check_key(name: str, text: str) -> str:
    if not KEY.fullmatch(text):
        raise SettingsError(f"{name}: {text[:210]!r} is not a key; set it to a path such as {DEFAULTS[name]}")
    top, *folders = text.split("/")[:-1] or [""]
    if top in RESERVED or {"champions", "history"} & {*folders}:
        raise SettingsError(f"{name}: {text[:210]!r} is in a reserved folder; set it to {DEFAULTS[name]}")
    return text


def redact_url(url: str) -> str:
    """Return a URL for messages and logs: without user, password and query, which may be secret."""
    return remove_logins(url).partition("?")[0]


def remove_logins(text: str) -> str:
    """Return a text, such as a library's message, without the users and passwords of the URLs in it."""
    return re.sub(r"//[^\s'\"<>]*@", "//", text)


def _check_url(name: str, text: str, may_have_query: bool = False) -> str | None:
    if not text:
        return None
    if "@" in text:
        raise SettingsError(f"{name}: must not contain a login; remove the part before the @")
    if "?" in text and not may_have_query:
        raise SettingsError(f"{name}: must not contain a query, which libraries may print; remove the ? and the rest")
    match = _ADDRESS.fullmatch(text)
    if not match or not 0 < int(match["port"] or 443) <= 65535:
        raise SettingsError(
            f"{name}: {redact_url(text)!r} is not a URL; set it to one such as https://example.com:8333"
        )
    return text.rstrip("/")
