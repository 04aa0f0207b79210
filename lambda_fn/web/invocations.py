"""MLflow's scoring protocol: what `mlflow models serve` answers for the champion, from any of its four forms.

Source: MLflow, "Deploy MLflow Model as a Local Inference Server", section on the inference server's specification.
"""

from lambda_fn.champion.base import BaseChampion
from lambda_fn.champion.sandboxed import SandboxedChampion
from lambda_fn.web import tensors
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.problem import bad_body, shown
from lambda_fn.web.series import json_of

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
CURE = f"send one of {', '.join(FORMS)}"


def answer(champion: SandboxedChampion, body: bytes) -> JsonObject:
    """`predictions` with quantiles and mean of each row, as the champion gives them."""
    found = json_of(body)
    if not isinstance(found, dict):
        raise bad_body("body", f"the body is {shown(found)}, not an object", CURE)
    forms = [name for name in FORMS if name in found]
    if len(forms) != 1:
        given = " and ".join(forms) or "none of the forms"
        raise bad_body("body", f"the body has {given}", CURE)
    [form] = forms
    inputs = tensors.parse_tensors(_columns(form, found[form], champion), champion, f"{form}.")
    forecast = tensors.run(champion, inputs, form)
    return {"predictions": {"quantiles": forecast.quantiles, "mean": forecast.mean}}


def _columns(form: str, value: object, champion: BaseChampion) -> dict[str, object]:
    match form, value:
        case "inputs", dict():
            return value
        case (("instances" | "dataframe_records"), list()) if value and all(isinstance(row, dict) for row in value):
            return tensors.columns_of(value, champion, f"{form}.")
        case "dataframe_split", {"columns": list() as names, "data": list() as rows} if all(
            isinstance(row, list) and len(row) == len(names) for row in rows
        ):
            tensors.check_rows(len(rows), champion, f"{form}.data")
            if len(set(map(str, names))) < len(names):
                raise bad_body(f"{form}.columns", f"{form}.columns has a name twice", "send each column once")
            for name in names:
                tensors.check_name(str(name), tensors.lengths(champion), f"{form}.columns.")
            named = [dict(zip(map(str, names), row, strict=True)) for row in rows]
            return tensors.columns_of(named, champion, f"{form}.")
    raise bad_body(form, f"{form} is {shown(value)}", _CURES[form])


_CURES = {
    "inputs": 'send an object such as {"close": [[...]]}',
    "instances": 'send a list of objects such as {"close": [...]}',
    "dataframe_records": 'send a list of objects such as {"close": [...]}',
    "dataframe_split": 'send an object such as {"columns": ["close"], "data": [[[...]]]}',
}
