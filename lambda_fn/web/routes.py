"""All routes of the API, in the order of the OpenAPI document."""

from lambda_fn.web.endpoints import book, forecast, pairs, probability, protocols, record, service

TAGS = {
    "forecast": "Forecasts.",
    "book": "Risk of a book of currencies.",
    "record": "Track record.",
    "service": "Status, model card and documentation of the service.",
    "protocols": "Model-serving protocols, with the champion's inputs and outputs as tensors.",
}
ROUTES = (
    *service.ROUTES,
    *forecast.ROUTES,
    *probability.ROUTES,
    *book.ROUTES,
    *record.ROUTES,
    *pairs.ROUTES,
    *protocols.ROUTES,
)
