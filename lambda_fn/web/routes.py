"""All routes of the API, in the order of the OpenAPI document."""

from lambda_fn.web.endpoints import forecast, protocols, record, service

TAGS = {
    "forecast": "What may come.",
    "record": "What came, and what the forecasts were worth.",
    "service": "What serves, and how it is.",
    "protocols": "The champion as other systems ask models: tensors in, tensors out.",
}
ROUTES = (*service.ROUTES, *forecast.ROUTES, *record.ROUTES, *protocols.ROUTES)
