"""Cells of clean price files, as hypothesis draws them."""

from datetime import date, timedelta

from hypothesis import strategies as st

TODAY = date(2024, 6, 28)
Cells = list[list[str]]  # [date, close] by row, oldest first; row 0 is line 2 of the file


def business_days(last: date, count: int) -> list[date]:
    days = [last - timedelta(days=i) for i in range(2 * count + 7)]
    return [day for day in days if day.isoweekday() <= 5][:count][::-1]


@st.composite
def clean(draw: st.DrawFn) -> Cells:
    """Business days up to a date before today; together the returns stay well under a jump."""
    count = draw(st.integers(12, 60))
    days = business_days(TODAY - timedelta(days=draw(st.integers(10, 3000))), count)
    closes = [draw(st.floats(0.5, 200))]
    for change in draw(st.lists(st.floats(-0.002, 0.002), min_size=count - 1, max_size=count - 1)):
        closes.append(closes[-1] * (1 + change))
    return [[day.isoformat(), repr(close)] for day, close in zip(days, closes, strict=True)]
