"""Reasons of problems that several routes have, for the OpenAPI document."""

from lambda_fn.web.errors import MAX_BODY

BAD_QUERY = (400, "A query parameter is wrong; `field` names it.")
NOTHING = (503, "Nothing can be served yet; ask again after Retry-After seconds.")
COMPRESSED = (415, "The body is compressed; send it without Content-Encoding.")
LARGE = (413, f"The body is larger than {MAX_BODY:,} bytes.")
