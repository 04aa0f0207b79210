"""Who may call, as the OpenAPI document tells it. Serving never imports this: the gateway before it asks who calls."""

from typing import Any

from lambda_fn.web.openapi_types import JsonSchema

# Any one of them; the last is none, as on a server of your own. Which one a deployment asks for is its ApiAuth.
SECURITY: list[dict[str, list[str]]] = [{"IAM": []}, {"JWT": []}, {}]
SECURITY_SCHEMES: dict[str, JsonSchema] = {
    "IAM": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A request signed with AWS Signature Version 4, service execute-api (ApiAuth=AWS_IAM).",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "JWT": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of JwtIssuer for one of JwtAudience (ApiAuth=JWT).",
    },
}


def _of_the_gateway(description: str, message: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    content = {"application/json": {"schema": schema, "example": {"message": message}}}
    return {"description": f"{description} API Gateway says so, before the request comes here.", "content": content}


GATEWAY_RESPONSES: dict[str, dict[str, Any]] = {
    "401": _of_the_gateway("There is no token, or it is not valid any more.", "Unauthorized"),
    "403": _of_the_gateway("The request is not signed, or who signed it may not call.", "Forbidden"),
    "429": _of_the_gateway("More requests came than ThrottleRate and ThrottleBurst let through.", "Too Many Requests"),
}
