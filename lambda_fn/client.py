"""A typed client of the API: the official forecast, probabilities, the track record, and forecasts of your own series.

    from lambda_fn.client import Client

    with Client("http://127.0.0.1:8080") as client:
        client.forecast(level=[80]).frame()

It needs httpx, and pandas only for frames. The service never imports it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import httpx

if TYPE_CHECKING:
    import pandas as pd

    from lambda_fn.web.endpoints.forecast import Official, Prediction
    from lambda_fn.web.endpoints.probability import Probability
    from lambda_fn.web.endpoints.record import TrackRecord
    from lambda_fn.web.endpoints.service import Champion

ADDRESS = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0
CONNECT_RETRIES = 2
FORECAST = "forecast"  # the column of point forecasts in a frame of forecasts
SERIES_COLUMNS = ("unique_id", "ds", "y")
PERCENT_DECIMALS = 4  # as in the CSV
MAX_ROWS = 10_000  # of one series in a request; no champion uses more
T = TypeVar("T")


class ApiError(Exception):
    """The API refused a request or could not be reached; the message says what to do.

    Attributes:
        status: The HTTP status; None if there was no response.
        code: The error's short name, for programs.
        field: The place in the request that is wrong, if any.
    """

    def __init__(self, message: str, status: int | None = None, code: str = "no_response", field: str | None = None):
        super().__init__(message)
        self.status, self.code, self.field = status, code, field


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer of the API.

    Attributes:
        content: Its JSON, as docs/api.md and the OpenAPI document describe it.
        rows: The same as rows of a table.
    """

    content: T
    rows: Sequence[Mapping[str, Any]]

    def frame(self) -> "pd.DataFrame":
        """Return the rows as a pandas frame with dates as timestamps. Raises ImportError without pandas."""
        import pandas as pd

        frame = pd.DataFrame(self.rows)
        for name in ("date", "as_of", "target_date"):
            if name in frame:
                frame[name] = pd.to_datetime(frame[name])
        return frame


class Client:
    """A client of one deployment. Thread-safe; close it, or use it in a with statement."""

    def __init__(
        self,
        address: str | None = None,
        *,
        pair: str | None = None,
        timeout_s: float = TIMEOUT_S,
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Create a client; it sends nothing yet.

        Args:
            address: The address of the API, with its base path if it has one; None is ADDRESS.
            pair: The pair of all requests without one; None is the service's first pair.
            timeout_s: Seconds to wait for each response.
            auth: Signs requests, for a deployment that requires IAM.
            transport: Sends requests; by default over HTTP, with CONNECT_RETRIES.
        """
        self._pair, self._address = pair, (address or ADDRESS).rstrip("/")
        transport = transport or httpx.HTTPTransport(retries=CONNECT_RETRIES)
        self._http = httpx.Client(timeout=timeout_s, auth=auth, transport=transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def forecast(
        self,
        horizon: int | None = None,
        *,
        level: Iterable[float] = (),
        quantiles: Iterable[float] = (),
        pair: str | None = None,
    ) -> "Answer[Official]":
        """Return the official forecast, a row for each day with mean, quantiles (q0.05) and intervals (lo-80, hi-80).

        Args:
            horizon: Business days; None is the API's default, 5.
            level: Coverage in percent of the intervals to return; default: all.
            quantiles: Quantile levels to return; default: all.
            pair: The pair, if it is not that of the client.
        """
        query = {"horizon": horizon, "level": _join(level), "quantiles": _join(quantiles), "pair": pair}
        content: Official = self._request("GET", "/api/predict", query)
        return Answer(content, list(forecast_rows(content)))

    def probability(
        self,
        *,
        below: float | None = None,
        above: float | None = None,
        probability: float | None = None,
        horizon: int | None = None,
        day: date | str | None = None,
        pair: str | None = None,
    ) -> "Answer[Probability]":
        """Return the probability of a rate below or above a price, or the price with a probability below it.

        Args:
            below: A price. Exactly one of below, above and probability is required.
            above: A price.
            probability: A probability from 0.001 to 0.999.
            horizon: The business day after the last close; the default is the API's.
            day: The day as a date, instead of horizon.
            pair: The pair, if it is not that of the client.
        """
        numbers = {"below": below, "above": above, "probability": probability, "horizon": horizon}
        query = {**numbers, "date": None if day is None else str(day), "pair": pair}
        content: Probability = self._request("GET", "/api/probability", query)
        return Answer(content, [{name: value for name, value in content.items() if name != "age"}])

    def record(
        self, kind: Literal["live", "backtest"] = "live", *, days: int | None = None, pair: str | None = None
    ) -> "Answer[TrackRecord]":
        """Return the track record: a row for each day, or of a backtest, which has no single days, for each horizon.

        Args:
            kind: live, or backtest.
            days: The number of latest days; the default is the API's.
            pair: The pair, if it is not that of the client.
        """
        content: TrackRecord = self._request("GET", "/api/track-record", {"kind": kind, "days": days, "pair": pair})
        if kind == "live":
            return Answer(content, cast(list[Mapping[str, Any]], content["days"]))
        rows = []
        for horizon in content["summary"]["horizons"] if content["summary"] else []:
            scores = cast(Mapping[str, Any], horizon)
            row = {name: scores[name] for name in ("horizon", "n", "pinball")}
            row |= {f"coverage_{level}": figure["value"] for level, figure in scores["coverage"].items()}
            row |= {f"skill_{benchmark}": figure["value"] for benchmark, figure in scores["skill"].items()}
            rows.append(row)
        return Answer(content, rows)

    def champion(self, *, pair: str | None = None) -> "Champion":
        """Return the model card of the active champion."""
        card: Champion = self._request("GET", "/api/champion", {"pair": pair})
        return card

    def predict(
        self,
        close: Sequence[float],
        as_of: date | str | None = None,
        horizon: int | None = None,
        *,
        level: Iterable[float] = (),
        pair: str | None = None,
    ) -> "Answer[Prediction]":
        """Return the champion's forecast from your own closes.

        Args:
            close: The closes, oldest first; the last one is that of `as_of`.
            as_of: The date of the last close, which some champions require.
            horizon: Business days; None is the API's default, 5.
            level: Coverage in percent of the intervals to return; default: all.
            pair: The pair, if it is not that of the client.
        """
        body: dict[str, Any] = {"close": list(close)}
        if as_of is not None:
            body["as_of"] = str(as_of)
        query = {"horizon": horizon, "level": _join(level), "pair": pair}
        content: Prediction = self._request("POST", "/api/predict", query, body)
        return Answer(content, list(forecast_rows(content)))

    def _request(self, method: str, path: str, query: Mapping[str, Any], body: object = None) -> Any:
        """Return the JSON of a response. Raises ApiError."""
        stated = {name: value for name, value in query.items() if value is not None}
        params = {"pair": self._pair, **stated} if self._pair else stated
        try:
            response = self._http.request(method, f"{self._address}{path}", params=params, json=body)
        except httpx.HTTPError as error:
            raise ApiError(f"{self._address}: no response ({error}); check the address and that it serves") from error
        try:
            content = response.json()
        except ValueError as error:
            message = f"{self._address}{path}: the response {response.status_code} is not JSON; check the address"
            raise ApiError(message, response.status_code) from error
        if response.is_success:
            return content
        if not isinstance(content, dict) or "cure" not in content:  # of a gateway before the service
            raise ApiError(f"{self._address}{path}: response {response.status_code}: {content}", response.status_code)
        message = f"{content['detail']}; {content['cure']}"
        raise ApiError(message, response.status_code, content["code"], content.get("field"))


def forecast_frame(
    frame: "pd.DataFrame", h: int = 5, level: Sequence[float] = (80, 95), *, client: Client | None = None
) -> "pd.DataFrame":
    """Forecast each series of a long frame by the champion of its pair, as users of Nixtla's libraries expect.

    Args:
        frame: Columns unique_id (the pair: EURUSD or EUR/USD), ds (the day) and y (the close), in any order of rows.
        h: Business days to forecast.
        level: Coverage in percent of the central intervals.
        client: The client; None is one of ADDRESS.

    Returns:
        Columns unique_id, ds, forecast (the mean), and forecast-lo-80 and forecast-hi-80 for each level.

    Raises:
        ValueError: A column is missing, a value is missing, or a day occurs twice.
        ApiError: The API refuses a series, for example because it is too short.
    """
    import pandas as pd

    if client is None:
        with Client() as default_client:
            return forecast_frame(frame, h, level, client=default_client)
    for column in SERIES_COLUMNS:
        if column not in frame:
            raise ValueError(f"frame: column {column} is missing; it needs {', '.join(SERIES_COLUMNS)}")
    rows = frame.loc[:, list(SERIES_COLUMNS)].assign(ds=pd.to_datetime(frame["ds"]), y=pd.to_numeric(frame["y"]))
    if (missing := rows.isna().any(axis=1)).any():
        raise ValueError(f"frame: row {rows.index[missing][0]!r} has a missing value; drop or fill such rows")
    if (twice := rows.duplicated(["unique_id", "ds"])).any():
        first = rows[twice].iloc[0].to_dict()
        raise ValueError(
            f"frame: {first['unique_id']} has several rows of {first['ds']:%Y-%m-%d}; keep one close a day"
        )
    parts = []
    for name, series in rows.sort_values("ds").groupby("unique_id", sort=False):
        pair = "".join(filter(str.isalpha, str(name))).upper()
        closes = series["y"].tail(MAX_ROWS).astype(float).tolist()
        answer = client.predict(closes, series["ds"].iloc[-1].date(), h, level=level, pair=pair).frame()
        bounds = [column for column in answer if str(column).startswith(("lo-", "hi-"))]
        names = {"date": "ds", "mean": FORECAST, **{bound: f"{FORECAST}-{bound}" for bound in bounds}}
        parts.append(answer.rename(columns=names)[list(names.values())].assign(unique_id=name))
    columns = ["unique_id", *(parts[0].columns.drop("unique_id") if parts else ["ds", FORECAST])]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _join(numbers: Iterable[float]) -> str | None:
    """Return a list of the query; None, which leaves it out, for an empty one."""
    return ",".join(f"{number:g}" for number in numbers) or None


def forecast_rows(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the columns of the API's CSV for each day of a forecast; one from own prices has no `age_state`."""
    ends = {"age_state": response["age"]["state"]} if "age" in response else {}
    for day in response["forecast"]:
        row = {"date": day["date"], "horizon": day["horizon"], "mean": day["mean"]}
        row |= {f"q{level}": price for level, price in day["quantiles"].items()}
        for coverage, bounds in day["intervals"].items():
            row |= {f"lo-{coverage}": bounds["lower"], f"hi-{coverage}": bounds["upper"]}
        volatility = round(100 * day["volatility"], PERCENT_DECIMALS)
        yield {**row, "as_of": response["as_of"], "volatility": volatility, **ends}
