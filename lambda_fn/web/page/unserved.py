"""The page when there is nothing to show: what is wrong, and what to do about it."""

import re

from lambda_fn.web.errors import Problem
from lambda_fn.web.page import shell
from lambda_fn.web.page.markup import Child, element
from lambda_fn.web.response import Text

COMMAND = re.compile(r"(python -m [a-z_.]+(?: run)?)")


def page_of_problem(problem: Problem) -> Text:
    """In the words of the problem that every other caller is told."""
    served = problem.status != 503
    body = [
        element("header", element("a", "Exchange rate forecasts", href="/", class_="brand")),
        element(
            "main",
            element(
                "p",
                element("strong", "Error" if served else "No forecast"),
                " ",
                _sentence(str(problem)),
                class_="notice expired",
                role="status",
            ),
            element("h1", "This cannot be shown" if served else "There is no forecast to show"),
            element("p", _sentence(problem.cure), class_="lead"),
            element("p", element("a", "Try again", href="/", class_="button")),
            class_="unserved",
        ),
    ]
    return shell.text_of("No forecast", body, headers=problem.headers)


def _sentence(text: str) -> Child:
    """With its commands marked as such."""
    whole = f"{text[:1].upper()}{text[1:].rstrip('.')}."
    return [element("code", part) if COMMAND.fullmatch(part) else part for part in COMMAND.split(whole)]
