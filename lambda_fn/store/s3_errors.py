"""Error messages for an S3 server: bucket, region, identity, S3's own message and the cure, without secrets."""

import html
import re
from typing import NamedTuple

from lambda_fn.settings import remove_logins
from lambda_fn.store.object_store import Misconfigured, Place, Unavailable

MAX_MESSAGE = 300  # characters of S3's own message
# The last source of credentials that obstore tries is the metadata of an EC2 instance, which has several addresses.
_METADATA = re.compile(r"://[^/]+/latest/(api/token|meta-data/)")
_SECRETS = (
    (re.compile(r"(?i)(x-amz-(?:signature|credential|security-token)=)[^&\s]+"), r"\1..."),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{8,}([A-Z0-9]{4})\b"), r"...\1"),
    (re.compile(r"[A-Za-z0-9+/=]{40,}"), "..."),  # a secret key has 40 characters, a token more
)


class _Rule(NamedTuple):
    """A pattern of error messages and its cure.

    `pattern` is searched for in "code: message", or in obstore's own message if S3 sent none. `cure` may contain the
    fields of `_values`. `can_retry` says whether a retry can succeed.
    """

    pattern: str
    cure: str
    can_retry: bool = False


_NO_CREDENTIALS = "no credentials found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_HOP_LIMIT = (
    "; in a container on EC2, set the metadata hop limit to 2: aws ec2 modify-instance-metadata-options "
    "--instance-id ID --http-put-response-hop-limit 2"
)
_NOT_S3 = "the response is not from S3: check AWS_ENDPOINT_URL_S3 and proxies"
_RULES = (  # the first match counts
    _Rule(
        "RequestTimeTooSkewed|RequestInTheFuture|Signature expired|not yet current",
        "this machine's clock is wrong ({RequestTime} here, {ServerTime} at S3): set it, for example by NTP",
    ),
    _Rule(
        "InvalidObjectState",
        "the object is archived ({StorageClass}): restore it with aws s3api restore-object, and remove the lifecycle "
        "rule that archives it",
    ),
    _Rule(
        r"KMS\.?(KMS)?(InvalidState|Disabled|NotFound|KeyUnavailable)",
        "the object's KMS key cannot be used: enable it, cancel its deletion, or write the object with another key",
    ),
    _Rule(
        r"\bkms:\w+",
        "{identity} may not use the bucket's KMS key: allow {action} in the identity's policy and the key's policy",
    ),
    _Rule(
        "SlowDown|TooManyRequests|Throttl|RequestLimitExceeded|429 Too Many",
        "too many requests: try again later, and increase CHAMPION_MAX_AGE_S if this persists",
        can_retry=True,
    ),
    _Rule("ServiceUnavailable|InternalError|RequestTimeout\\b|50[0234] ", "try again later", can_retry=True),
    _Rule("non-empty Access Key", "the access key is empty: " + _NO_CREDENTIALS.partition(": ")[2]),
    _Rule(
        "PermanentRedirect|TemporaryRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException"
        "|incorrectly configured region",
        "the bucket is not in {region}: set AWS_REGION to {Region}; find it with "
        "aws s3api get-bucket-location --bucket {bucket}",
    ),
    _Rule("NoSuchBucket", "the bucket does not exist: correct S3_BUCKET, or deploy the stack that creates it"),
    _Rule(
        "InvalidToken",
        "the keys are invalid: correct them, unset AWS_SESSION_TOKEN if it belongs to other keys, or select others "
        "with AWS_PROFILE",
    ),
    _Rule(
        "InvalidAccessKeyId|SignatureDoesNotMatch",
        "the keys are invalid: correct them, or select others with AWS_PROFILE",
    ),
    _Rule(
        "(?i)endpoint policy|SourceVpce?\\b|VPC endpoint",
        "denied by the policy of a VPC endpoint, or by a bucket policy that requires an endpoint: allow this bucket "
        "and {identity} there, or use the endpoint that the policy names",
    ),
    _Rule(
        "(?i)(service|resource) control policy", "denied by a policy of the organisation: contact its administrators"
    ),
    _Rule("(?i)permissions boundary", "denied by the permissions boundary of {identity}: allow {action} there"),
    _Rule("(?i)session policy", "denied by the session policy of {identity}: allow {action} there"),
    _Rule(
        "(?i)(explicit deny in a|no) resource-based policy|bucket policy",
        "denied by the bucket's policy: allow {identity} {action} there",
    ),
    _Rule(
        "AllAccessDisabled|AccountProblem|NotSignedUp|OptInRequired",
        "the account may not use this bucket: check its status and billing",
    ),
    _Rule(
        "Object Lock parameters|Content-MD5",
        "the bucket has Object Lock, which requires a checksum of each object: set AWS_CHECKSUM_ALGORITHM=SHA256",
    ),
    _Rule(
        "NotImplemented",
        "this S3 server does not support GET with If-None-Match, or PUT with If-Match and If-None-Match: use one that "
        "does",
    ),
    _Rule("(?i)<(!doctype )?html", _NOT_S3),
    _Rule("404 Not Found: \\S", _NOT_S3),
    _Rule(
        "AccessDenied|403 Forbidden",
        "{identity} lacks permission: allow {action}, or select other credentials with AWS_PROFILE",
    ),
)
_NETWORK = (  # matched against obstore's debug text if no server responded
    _Rule("dns error", "unknown host name: check AWS_REGION and AWS_ENDPOINT_URL_S3", can_retry=True),
    _Rule(
        "(?i)certificate",
        "the server's certificate is not trusted: set SSL_CERT_FILE to the certificate of its authority",
        can_retry=True,
    ),
    _Rule("Timeout", "no response in time: a VPC needs a gateway endpoint for S3, or a NAT gateway", can_retry=True),
    _Rule("Connect", "the server cannot be reached: check the network and AWS_ENDPOINT_URL_S3", can_retry=True),
)


def to_error(place: Place, key: str, text: str) -> Unavailable:
    """Return the error for obstore's message `text` about `key`.

    It is Misconfigured if a retry would fail in the same way. Expired credentials are Unavailable, because they may be
    renewed.
    """
    first_line = text.partition("\n")[0].partition(": <?xml")[0]
    code, message = _field(text, "Code"), _field(text, "Message")
    summary = f"{code}: {message}".removesuffix(": ") if code else first_line
    safe_summary = remove_logins(summary)
    for pattern, replacement in _SECRETS:
        safe_summary = pattern.sub(replacement, safe_summary)
    safe_summary = safe_summary if len(safe_summary) <= MAX_MESSAGE else f"{safe_summary[: MAX_MESSAGE - 3]}..."
    prefix = f"bucket {place.bucket} in {place.region} as {place.identity}: {key}: {safe_summary}"
    if "AWS_CONTAINER_" in first_line:  # the message has its own cure
        return Unavailable(prefix)
    if code in ("ExpiredToken", "TokenRefreshRequired") or "credential provider" in first_line:
        return Unavailable(f"{prefix}; log in again, for example with aws sso login, then retry")
    if _METADATA.search(first_line):
        # In a container on EC2, the response to the first metadata request is lost if the hop limit is 1.
        is_lost = "/latest/api/token" in text and "kind: Timeout" in text
        return Misconfigured(f"{prefix}; {_NO_CREDENTIALS}{_HOP_LIMIT if is_lost else ''}")
    rules = _NETWORK if "error sending request" in first_line else _RULES
    details = text.partition("\n")[2] if rules is _NETWORK else summary
    rule = next((rule for rule in rules if re.search(rule.pattern, details)), None)
    if rule is None:
        return Unavailable(prefix)
    message_with_cure = f"{prefix}; {rule.cure.format_map(_values(place, text, message))}"
    return Unavailable(message_with_cure) if rule.can_retry else Misconfigured(message_with_cure)


def _field(text: str, name: str) -> str:
    """Return the text of an XML element of S3's response, or an empty string."""
    match = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return html.unescape(" ".join(match[1].split())) if match else ""


def _values(place: Place, text: str, message: str) -> dict[str, str]:
    """Return the fields that a cure may contain."""
    action = re.search(r"\b(?:s3|kms):\w+", message)
    expected = re.search(r"expecting '([\w-]+)'", message)
    fields = {name: _field(text, name)[:40] for name in ("RequestTime", "ServerTime", "StorageClass", "Region")}
    return place._asdict() | {
        "action": action[0] if action else "the action of this request",
        "RequestTime": fields["RequestTime"] or "one time",
        "ServerTime": fields["ServerTime"] or "another",
        "StorageClass": fields["StorageClass"] or "such as GLACIER",
        "Region": fields["Region"] or (expected[1] if expected else "its region"),
    }
