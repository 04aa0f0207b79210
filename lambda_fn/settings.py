"""The environment's variables as one frozen object, read at the entry point and passed down."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class SettingsError(ValueError):
    """A variable of the environment is missing or cannot be read; the message names it and the cure."""


class Variable(NamedTuple):
    """One variable of the environment; an empty value counts as unset."""

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
    Variable("PAIRS", "", "pairs by commas, such as EURUSD,GBPUSD, majors or all; empty: that of S3_MODEL_INFO_KEY"),
    Variable(
        "AWS_REGION",
        "us-east-1",
        "region of the bucket; unset: AWS_DEFAULT_REGION's, or that of the profile; Lambda sets it itself",
    ),
    Variable("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db", "where training records runs and models; unset in serving"),
    Variable("STORE_DIR", ".", "the folder that is the store with USE_S3=false"),
    Variable("AWS_ENDPOINT_URL_S3", "", "address of another S3 server; empty: AWS_ENDPOINT_URL, or else AWS"),
    Variable("CHAMPION_MAX_AGE_S", "60", "seconds after which serving looks for a newer champion"),
    Variable(
        "ECB_URL",
        "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip",
        "where the European Central Bank publishes the history of its reference rates",
    ),
    Variable("MLFLOW_SECRET_ARN", "", "secret with the MLflow server's user name and password; empty means none"),
    Variable(
        "CHAMPION_PUBLIC_KEYS",
        "",
        "keys of which one must have signed a champion, base64 and separated by commas; empty asks for no signature",
    ),
    Variable(
        "CHAMPION_SIGNING_KEY",
        "",
        "key that training signs with: base64, a file that holds it, or awskms:<key id>; empty signs nothing",
    ),
    Variable("REFUSE_EXPIRED", "false", "true: a forecast all of whose days have begun is answered with 503"),
    Variable(
        "CORS_ORIGIN",
        "",
        "origin whose pages may call the server from a browser, * for any; in AWS the template's CorsOrigin says so",
    ),
    Variable("BASE_PATH", "", "path that a custom domain puts before the API's own, such as /fx; the template sets it"),
    Variable(
        "STACK",
        "local",
        "name of the deployment that serves: of its metrics, and of what signatures are for; the template sets it",
    ),
)
DEFAULTS = {variable.name: variable.default for variable in VARIABLES}
DEFAULT_PAIR = "EURUSD"
PUBLIC_KEY_BYTES = 32  # of Ed25519
# At most 200 characters: a folder's store makes one file name of a whole key, for its lock.
KEY = re.compile(r"(?!.{201})(?!(.*/)?\.{1,2}(/|$))[\w.=@+-]+(/[\w.=@+-]+)*", re.ASCII)
_Y_OF_ORDER_8 = (  # y**2 of these solves -x**2 + y**2 = 1 + d * x**2 * y**2 with x**2 = -y**2
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
)
STACK = re.compile(r"[A-Za-z0-9_.-]{1,128}")
STACK_RULE = "up to 128 letters, digits, '-', '_' and '.'"
# Old buckets of us-east-1 and those of other servers have names that AWS gives no more.
BUCKET = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")
_BASE_PATH = re.compile(r"(?!(.*/)?\.{1,2}(/|$))[\w.$+!*'()~-]+(/[\w.$+!*'()~-]+)*", re.ASCII)
RESERVED = ("prices", "record", "runs", "serving")  # top folders of the store that hold no pointer
_PAIR = re.compile("[A-Z]{6}")
_ADDRESS = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?([/?#][!-~]*)?")
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.:\[\]_-]+")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Settings(NamedTuple):
    """What the environment says; ages in seconds. `mlflow_tracking_uri` is None when the variable is unset.

    The settings are those of one pair, `pair`, whose pointer has the key `model_info_key`; `of` gives those of another.
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
    champion_public_keys: tuple[bytes, ...]
    champion_signing_key: str | None
    refuse_expired: bool
    cors_origin: str | None
    base_path: str
    stack: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Reads the variables of `VARIABLES`; raises SettingsError naming the variable and the cure."""
        given = {name: environ.get(name, "").strip() for name in DEFAULTS}
        value = {name: given[name] or default for name, default in DEFAULTS.items()}
        use_s3 = _boolean("USE_S3", value["USE_S3"])
        region = given["AWS_REGION"] or _region(environ) or DEFAULTS["AWS_REGION"]
        if use_s3:
            _check_bucket(value["S3_BUCKET"])
            _matching("AWS_REGION", region, BUCKET, "set it to the name of a region, such as eu-central-1")
        key = _key("S3_MODEL_INFO_KEY", value["S3_MODEL_INFO_KEY"])
        pairs = _pairs(value["PAIRS"], key, bool(given["S3_MODEL_INFO_KEY"]))
        origin = _matching("CORS_ORIGIN", value["CORS_ORIGIN"], _ORIGIN, "give one such as https://a.example, or *")
        return cls(
            use_s3=use_s3,
            s3_bucket=value["S3_BUCKET"] or None,
            model_info_key=pointer_key(key, pairs[0]) if value["PAIRS"] else key,
            pairs=pairs,
            aws_region=region,
            mlflow_tracking_uri=given["MLFLOW_TRACKING_URI"] or None,
            store_dir=value["STORE_DIR"],
            s3_endpoint=_url("AWS_ENDPOINT_URL_S3", value["AWS_ENDPOINT_URL_S3"])
            or _url("AWS_ENDPOINT_URL", environ.get("AWS_ENDPOINT_URL", "").strip()),
            champion_max_age_s=_seconds("CHAMPION_MAX_AGE_S", value["CHAMPION_MAX_AGE_S"]),
            ecb_url=_url("ECB_URL", value["ECB_URL"], may_have_query=True) or DEFAULTS["ECB_URL"],
            mlflow_secret_arn=value["MLFLOW_SECRET_ARN"] or None,
            champion_public_keys=_public_keys("CHAMPION_PUBLIC_KEYS", value["CHAMPION_PUBLIC_KEYS"]),
            champion_signing_key=value["CHAMPION_SIGNING_KEY"] or None,
            refuse_expired=_boolean("REFUSE_EXPIRED", value["REFUSE_EXPIRED"]),
            cors_origin=origin or None,
            base_path=_base_path("BASE_PATH", value["BASE_PATH"]),
            stack=_matching("STACK", value["STACK"], STACK, f"set it to {STACK_RULE}"),
        )

    def __repr__(self) -> str:
        """Without the private key, and without what addresses may hold."""
        shown = self._replace(
            champion_signing_key=self.champion_signing_key and "...",
            mlflow_tracking_uri=self.mlflow_tracking_uri and shown_url(self.mlflow_tracking_uri),
            s3_endpoint=self.s3_endpoint and shown_url(self.s3_endpoint),
            ecb_url=shown_url(self.ecb_url),
        )
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown._asdict().items())})"

    @property
    def pair(self) -> str:
        """The currency pair: the pointer's folder when that is six capitals (GBPUSD), otherwise EURUSD."""
        return _folder_pair(self.model_info_key) or DEFAULT_PAIR

    def of(self, pair: str) -> "Settings":
        """The same for another pair: its pointer lies beside this one's."""
        return self if pair == self.pair else self._replace(model_info_key=pointer_key(self.model_info_key, pair))

    def chosen(self, pair: str | None) -> tuple[str, ...]:
        """The pairs that a command is about: that of its option --pair, or all; raises SettingsError."""
        if pair is None:
            return self.pairs
        if pair not in self.pairs:
            raise SettingsError(f"--pair: {pair[:40]!r} is none of {', '.join(self.pairs)}; name it in PAIRS too")
        return (pair,)


def pointer_key(key: str, pair: str) -> str:
    """The key of the pair's pointer beside `key`, the pointer of any pair: EURUSD's has no folder of its own."""
    folder, _, name = key.rpartition("/")
    if _folder_pair(key):
        folder = folder.rpartition("/")[0]
    return "/".join(part for part in (folder, "" if pair == DEFAULT_PAIR else pair, name) if part)


def _folder_pair(key: str) -> str | None:
    folder = key.rpartition("/")[0].rpartition("/")[2]
    return folder if _PAIR.fullmatch(folder) else None


def _pairs(text: str, key: str, is_given: bool) -> tuple[str, ...]:
    named = _folder_pair(key)
    if not text:
        return (named or DEFAULT_PAIR,)
    from lambda_fn.currency_pairs import read_pairs  # which a cold start of one pair does not need

    try:
        pairs = read_pairs(text)
    except ValueError as error:
        raise SettingsError(f"PAIRS: {error}") from error
    if is_given and named and named not in pairs:
        cure = f"add {named} to PAIRS, or leave S3_MODEL_INFO_KEY unset: each pair has a pointer of its own"
        raise SettingsError(f"S3_MODEL_INFO_KEY: {key} is the pointer of {named}, which PAIRS does not name; {cure}")
    return pairs


def read_dotenv(path: "Path", environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` over the variables of the file at `path`, which may be absent; the real environment wins."""
    from dotenv import dotenv_values  # Lambda reads no .env, so only a command pays for this import

    in_file = {name: value for name, value in dotenv_values(path).items() if value is not None}
    return {**in_file, **environ}


def files_of_aws(environ: Mapping[str, str]) -> tuple[str, str]:
    """Where the AWS CLI keeps its configuration and its credentials; empty without a home."""
    home = environ.get("HOME", "")
    known = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
    config, credentials = (environ.get(name) or (home and f"{home}/.aws/{file}") for name, file in known.items())
    return config, credentials


def _region(environ: Mapping[str, str]) -> str | None:
    """What AWS's own tools take where AWS_REGION is unset."""
    if region := environ.get("AWS_DEFAULT_REGION", "").strip():
        return region
    files = [file for file in files_of_aws(environ) if file]
    if not files:
        return None
    from configparser import Error, RawConfigParser  # which nobody needs who sets the region

    found = RawConfigParser(strict=False)
    try:
        found.read(files, encoding="utf-8")
    except (Error, OSError, UnicodeDecodeError):
        return None  # whoever reads credentials there tells of it
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    for section in (f"profile {profile}", profile):
        if region := found.get(section, "region", fallback="").strip():
            return region
    return None


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise SettingsError(f"{name}: {text!r} is neither true nor false; set it to true or false")
    return _BOOLEANS[text.lower()]


def _seconds(name: str, text: str) -> float:
    try:
        if not text.isascii():
            raise ValueError("digits of another script")
        seconds = float(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {text!r} is not a number; set it to seconds, such as 60") from error
    if not (math.isfinite(seconds) and seconds >= 0):
        raise SettingsError(f"{name}: {text!r} is no age; set it to zero or more seconds, such as 60")
    return seconds


def _matching(name: str, text: str, pattern: re.Pattern[str], cure: str) -> str:
    if text and not pattern.fullmatch(text):
        raise SettingsError(f"{name}: {without_logins(text)[:60]!r} is not valid; {cure}")
    return text


def _base_path(name: str, text: str) -> str:
    """With a slash before it and none after; empty for none, which `/` means too."""
    path = text.strip("/")
    return path and f"/{_matching(name, path, _BASE_PATH, 'set it to a path such as /fx')}"


def _check_bucket(text: str) -> None:
    if BUCKET.fullmatch(text):
        return
    if not text:
        raise SettingsError("S3_BUCKET: required with USE_S3=true; set it to the name of the bucket")
    named = re.fullmatch(r"(?:s3a?://|arn:[a-z-]+:s3:::)?([A-Za-z0-9_-][A-Za-z0-9._-]*)(?:/.*)?", text)
    cure = (
        f"set it to {named[1]}: keys begin at the top of the bucket" if named else "set it to the bucket's name alone"
    )
    if ":accesspoint" in text:
        cure = "set it to the access point's alias, which ends with -s3alias"
    raise SettingsError(f"S3_BUCKET: {shown_url(text)[:210]!r} is not the name of a bucket; {cure}")


def _public_keys(name: str, text: str) -> tuple[bytes, ...]:
    if not text:
        return ()
    import base64  # which a cold start without keys does not need

    keys = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            key = base64.b64decode(part, validate=True)
        except ValueError:
            key = b""
        if len(key) != PUBLIC_KEY_BYTES:
            raise SettingsError(f"{name}: {part[:60]!r} is no public key; set base64 of its {PUBLIC_KEY_BYTES} bytes")
        if _is_weak(key):
            raise SettingsError(f"{name}: anybody can sign for {part!r}; set the public key of your private key")
        keys.append(key)
    if not keys:  # it would ask for no signature, which an empty value says
        raise SettingsError(f"{name}: {text[:60]!r} names no key; set base64 of a public key, or leave it empty")
    return tuple(keys)


def _is_weak(key: bytes) -> bool:
    """Whether an Ed25519 key is a point of small order, for which some signatures hold for any message.

    These are the y coordinates of the eight points whose order divides 8, encoded canonically or not; the sign bit
    does not matter (RFC 8032, section 5.1.2; Chalkias, Garillot and Nikolaenko 2020, "Taming the many EdDSAs").
    """
    y = int.from_bytes(key, "little") & (2**255 - 1)
    prime = 2**255 - 19
    return y % prime in (0, 1, prime - 1, *_Y_OF_ORDER_8)


def _key(name: str, text: str) -> str:
    if not KEY.fullmatch(text):
        raise SettingsError(f"{name}: {text[:210]!r} is not a key; set it to a path such as {DEFAULTS[name]}")
    top, *folders = text.split("/")[:-1] or [""]
    if top in RESERVED or {"champions", "history"} & {*folders}:
        raise SettingsError(f"{name}: {text[:210]!r} is in a folder of other files; set it to {DEFAULTS[name]}")
    return text


def shown_url(url: str) -> str:
    """An address without user, password and query, which may hold secrets: for messages and logs."""
    return without_logins(url).partition("?")[0]


def without_logins(text: str) -> str:
    """A text of any library without the users and passwords of the addresses in it."""
    return re.sub(r"//[^\s'\"<>]*@", "//", text)


def _url(name: str, text: str, may_have_query: bool = False) -> str | None:
    if not text:
        return None
    if "@" in text:
        raise SettingsError(f"{name}: must not hold a login; leave out what is before the @")
    if "?" in text and not may_have_query:
        raise SettingsError(f"{name}: must not hold a query, which libraries print; leave out what begins with the ?")
    found = _ADDRESS.fullmatch(text)
    if not found or not 0 < int(found["port"] or 443) <= 65535:
        raise SettingsError(f"{name}: {shown_url(text)!r} is not an address; give one such as https://example.com:8333")
    return text.rstrip("/")
