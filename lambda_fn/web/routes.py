"""All routes of the API, in the order of the OpenAPI document."""

from lambda_fn.web.endpoints import forecast, protocols, record, service

TAGS = {
    "forecast": "Forecasts.",
    "record": "Track record.",
    "service": "Status, model card and documentation of the service.",
    "protocols": "Model-serving protocols, with the champion's inputs and outputs as tensors.",
}
ROUTES = (*service.ROUTES, *forecast.ROUTES, *record.ROUTES, *protocols.ROUTES)
