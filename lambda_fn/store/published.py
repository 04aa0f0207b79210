"""Whether what is missing was ever there: before the first training nothing is wrong, later it is a loss."""

from lambda_fn.store import keys
from lambda_fn.store.objects import Missing, NothingYet, Store


def told_apart(error: Missing, store: Store, pair: str) -> Missing:
    """The error, as NothingYet where the pair has neither a forecast nor an active champion. Raises Unavailable."""
    for key in (keys.forecast_key(pair), keys.active_key(pair)):
        try:
            store.head(key, 1)
        except Missing:
            continue
        return error
    return NothingYet(error.key, store.describe())
