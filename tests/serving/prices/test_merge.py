"""A stored price file that rows can be added to, and those that cannot be continued."""

from datetime import date

import numpy as np
import pytest

from lambda_fn.fields import ContractError
from lambda_fn.prices.merge import update
from lambda_fn.prices.price_file import Table

TODAY = date(1999, 1, 8)
DATES = [date(1999, 1, day) for day in (4, 5, 6)]
OFFERED = Table(
    DATES,
    {
        "close": np.array([1.1, 1.11, 1.12]),
        "eurgbp": np.array([0.7, 0.71, 0.72]),
        "eurjpy": np.array([130.0, 131, 132]),
    },
)
STORED = b"date,close,eurgbp,eurjpy\n1999-01-04,1.1,0.7,130.0\n1999-01-05,1.11,0.71,131.0\n"


def test_a_new_row_is_added_to_the_columns_that_are_stored() -> None:
    continued = update(STORED, OFFERED, [], TODAY)
    assert (continued.outcome, continued.data) == ("appended", STORED + b"1999-01-06,1.12,0.72,132.0\n")


@pytest.mark.parametrize(
    "stored",
    [
        b"date,close,eurjpy,eurgbp\n1999-01-04,1.1,130.0,0.7\n1999-01-05,1.11,131.0,0.71\n",
        STORED[:-1],
        STORED.partition(b"\n")[0] + b"\n",
        b"",
    ],
    ids=["columns out of order", "a row cut off", "no rows", "nothing"],
)
def test_a_file_of_another_form_is_not_continued(stored: bytes) -> None:
    with pytest.raises(ContractError):
        update(stored, OFFERED, [], TODAY)
