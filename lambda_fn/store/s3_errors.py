"""Errors of an S3 server: bucket, region, identity, S3's own message and the cure, without secrets."""

import html
import re
from typing import NamedTuple

from lambda_fn.settings import without_logins
from lambda_fn.store.object_store import Misconfigured, Place, Unavailable

MAX_MESSAGE = 300  # characters of S3's own words
# The last source of credentials that obstore tries is the metadata of an EC2 instance, which has several addresses.
_METADATA = re.compile(r"://[^/]+/latest/(api/token|meta-data/)")
_SECRETS = (
    (re.compile(r"(?i)(x-amz-(?:signature|credential|security-token)=)[^&\s]+"), r"\1..."),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{8,}([A-Z0-9]{4})\b"), r"...\1"),
    (re.compile(r"[A-Za-z0-9+/=]{40,}"), "..."),  # a secret key has 40 characters, a token more
)


class _Rule(NamedTuple):
    """A pattern of error messages and its cure.

    `pattern` is searched in "code: message", or in obstore's own message where S3 sent none. `cure` may contain the
    fields of `_values`. `again` says whether a retry can succeed.
    """

    pattern: str
    cure: str
    again: bool = False


_NEVER_LOGGED_IN = "there are no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_RULES = (  # the first match counts
    _Rule(
        "RequestTimeTooSkewed|RequestInTheFuture|Signature expired|not yet current",
        "this machine's clock is wrong ({RequestTime} here, {ServerTime} at S3): set it, as by NTP",
    ),
    _Rule(
        "InvalidObjectState",
        "the object is archived ({StorageClass}): restore it with aws s3api restore-object, and end the lifecycle rule "
        "that archives it",
    ),
    _Rule(
        r"KMS\.?(KMS)?(InvalidState|Disabled|NotFound|KeyUnavailable)",
        "the KMS key of the object cannot be used: enable it or cancel its deletion, or write the object with another",
    ),
    _Rule(
        r"\bkms:\w+",
        "{identity} may not use the bucket's KMS key: allow it {action} there, in its own policy and in the key's",
    ),
    _Rule(
        "SlowDown|TooManyRequests|Throttl|RequestLimitExceeded|429 Too Many",
        "there are too many requests: try again later, and raise CHAMPION_MAX_AGE_S if it stays so",
        again=True,
    ),
    _Rule("ServiceUnavailable|InternalError|RequestTimeout\\b|50[0234] ", "try again later", again=True),
    _Rule("non-empty Access Key", "the access key is empty: " + _NEVER_LOGGED_IN.partition(": ")[2]),
    _Rule(
        "PermanentRedirect|TemporaryRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException"
        "|incorrectly configured region",
        "the bucket is not in {region}: set AWS_REGION to {Region}, which is told by "
        "aws s3api get-bucket-location --bucket {bucket}",
    ),
    _Rule("NoSuchBucket", "there is no such bucket: correct S3_BUCKET, or deploy the stack that makes it"),
    _Rule(
        "InvalidToken",
        "these are no valid keys: correct them, unset AWS_SESSION_TOKEN if it belongs to other keys, or choose others "
        "with AWS_PROFILE",
    ),
    _Rule(
        "InvalidAccessKeyId|SignatureDoesNotMatch",
        "these are no valid keys: correct them, or choose others with AWS_PROFILE",
    ),
    _Rule(
        "(?i)endpoint policy|SourceVpce?\\b|VPC endpoint",
        "the policy of a VPC endpoint, or one of the bucket that names an endpoint, denies it: allow this bucket and "
        "{identity} there, or ask by the endpoint that is named",
    ),
    _Rule("(?i)(service|resource) control policy", "a policy of the organisation denies it: ask its administrators"),
    _Rule("(?i)permissions boundary", "the permissions boundary of {identity} denies it: allow {action} there"),
    _Rule("(?i)session policy", "the session of {identity} has a policy that denies it: allow {action} there"),
    _Rule(
        "(?i)(explicit deny in a|no) resource-based policy|bucket policy",
        "the bucket's policy denies it: allow {identity} {action} there",
    ),
    _Rule(
        "AllAccessDisabled|AccountProblem|NotSignedUp|OptInRequired",
        "the account may not use this bucket: look at its state and billing",
    ),
    _Rule(
        "Object Lock parameters|Content-MD5",
        "the bucket has Object Lock, which asks for a sum of each object: set AWS_CHECKSUM_ALGORITHM=SHA256",
    ),
    _Rule(
        "NotImplemented",
        "this S3 server lacks what is needed: GET with If-None-Match, and PUT with If-Match and If-None-Match",
    ),
    _Rule("(?i)<(!doctype )?html", "something else than S3 answers: look at AWS_ENDPOINT_URL_S3 and at proxies"),
    _Rule("404 Not Found: \\S", "something else than S3 answers: look at AWS_ENDPOINT_URL_S3 and at proxies"),
    _Rule(
        "AccessDenied|403 Forbidden",
        "{identity} has no right to this: give it {action}, or choose other credentials with AWS_PROFILE",
    ),
)
_NETWORK = (  # matched against obstore's debugging text, where no server answered
    _Rule("dns error", "its name is not known here: look at AWS_REGION and AWS_ENDPOINT_URL_S3", again=True),
    _Rule("(?i)certificate", "its certificate is not trusted: name the authority's in SSL_CERT_FILE", again=True),
    _Rule("Timeout", "it does not answer in time: in a VPC it needs a gateway endpoint for S3, or a NAT", again=True),
    _Rule("Connect", "it cannot be reached: look at the network, and at AWS_ENDPOINT_URL_S3", again=True),
)


def to_error(place: Place, key: str, text: str) -> Unavailable:
    """Return the error for obstore's text.

    It is Misconfigured where a retry fails in the same way. Expired credentials are Unavailable, because they may be
    renewed.
    """
    first_line = text.partition("\n")[0].partition(": <?xml")[0]
    code, message = _field(text, "Code"), _field(text, "Message")
    words = f"{code}: {message}".removesuffix(": ") if code else first_line
    prefix = f"bucket {place.bucket} in {place.region} as {place.identity}: {key}: {_shorten(words)}"
    if "AWS_CONTAINER_" in first_line:  # with its own cure
        return Unavailable(prefix)
    if code in ("ExpiredToken", "TokenRefreshRequired") or "credential provider" in first_line:
        return Unavailable(f"{prefix}; log in again (aws sso login, or whatever gives them), then try again")
    if _METADATA.search(first_line):
        return Misconfigured(f"{prefix}; {_no_role(text)}")
    rules = _NETWORK if "error sending request" in first_line else _RULES
    searched = text.partition("\n")[2] if rules is _NETWORK else words
    rule = next((rule for rule in rules if re.search(rule.pattern, searched)), None)
    if rule is None:
        return Unavailable(prefix)
    message_with_cure = f"{prefix}; {rule.cure.format_map(_values(place, text, message))}"
    return Unavailable(message_with_cure) if rule.again else Misconfigured(message_with_cure)


def _field(text: str, name: str) -> str:
    """Return the text of an element of S3's answer, or an empty text."""
    match = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return html.unescape(" ".join(match[1].split())) if match else ""


def _shorten(words: str) -> str:
    words = without_logins(words)
    for pattern, replacement in _SECRETS:
        words = pattern.sub(replacement, words)
    return words if len(words) <= MAX_MESSAGE else f"{words[: MAX_MESSAGE - 3]}..."


def _values(place: Place, text: str, message: str) -> dict[str, str]:
    """Return the fields that a cure may contain."""
    action = re.search(r"\b(?:s3|kms):\w+", message)
    expected = re.search(r"expecting '([\w-]+)'", message)
    fields = {name: _field(text, name)[:40] for name in ("RequestTime", "ServerTime", "StorageClass", "Region")}
    return place._asdict() | {
        "action": action[0] if action else "what the request needs",
        "RequestTime": fields["RequestTime"] or "one time",
        "ServerTime": fields["ServerTime"] or "another",
        "StorageClass": fields["StorageClass"] or "such as GLACIER",
        "Region": fields["Region"] or (expected[1] if expected else "its own"),
    }


def _no_role(text: str) -> str:
    """Return the cure for missing credentials.

    In a container on EC2 the answer to the first metadata request is lost when its hop limit is 1.
    """
    if not ("/latest/api/token" in text and "kind: Timeout" in text):
        return _NEVER_LOGGED_IN
    return (
        f"{_NEVER_LOGGED_IN}; in a container on EC2 allow the metadata a hop limit of 2: aws ec2 "
        "modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2"
    )
