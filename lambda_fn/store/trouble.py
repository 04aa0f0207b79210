"""What an S3 server said, in words: bucket, region, who asked, and the cure. Never a secret."""

import re

from lambda_fn.store.objects import Misconfigured, Place, Unavailable

_CODE = re.compile("<Code>(.*?)</Code>")
_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken")
_EXPIRED = ("ExpiredToken", "TokenRefreshRequired")
# What obstore asks last: the machine's metadata, for the credentials of a role. They have several addresses.
_METADATA = re.compile(r"://[^/]+/latest/(api/token|meta-data/)")


def told(place: Place, key: str, text: str) -> Unavailable:
    """Of an error's text. What another try meets again is Misconfigured; expired credentials are not, as they may be
    renewed meanwhile."""
    found = _CODE.search(text)
    code = found[1] if found else ""
    first_line = text.partition("\n")[0].partition(": <?xml")[0]
    where = f"bucket {place.bucket} in {place.region} as {place.identity}"
    said = f"{where}: {key}: {code + ': ' if code else ''}{first_line}"
    if code in _EXPIRED or "credential provider" in first_line:
        return Unavailable(f"{said}; log in again (aws sso login, or whatever gives them), then try again")
    cure = _cure(place, code, first_line)
    return Misconfigured(f"{said}; {cure}") if cure else Unavailable(said)


def _cure(place: Place, code: str, text: str) -> str:
    if _METADATA.search(text):
        return "there are no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if code in _REGION or "incorrectly configured region" in text:
        return (
            f"the bucket is not in {place.region}: set AWS_REGION to its own, which is told by "
            f"aws s3api get-bucket-location --bucket {place.bucket}"
        )
    if code == "NoSuchBucket":
        return "there is no such bucket: correct S3_BUCKET, or deploy the stack that makes it"
    if code in _KEYS:
        return "these are no valid keys: correct them, or choose others with AWS_PROFILE"
    if code == "AccessDenied" or "403 Forbidden" in text:
        return f"{place.identity} has no right to this: give it one, or choose other credentials with AWS_PROFILE"
    return ""
