"""The page when there is nothing to show: what is wrong, and what to do about it."""

from lambda_fn.web.answer import Text
from lambda_fn.web.page import shell
from lambda_fn.web.page.markup import element
from lambda_fn.web.problem import Problem


def page_of_problem(problem: Problem) -> Text:
    """In the words of the problem that every other caller is told."""
    sentence = f"{str(problem)[:1].upper()}{str(problem)[1:].rstrip('.')}."
    cure = f"{problem.cure[:1].upper()}{problem.cure[1:].rstrip('.')}."
    body = [
        element("header", element("a", "Exchange rate forecasts", href="/", class_="brand")),
        element(
            "main",
            element("p", element("strong", "No forecast"), " ", sentence, class_="notice expired", role="status"),
            element("h1", "There is no forecast to show", id="title"),
            element("p", cure, class_="lead"),
            element("p", "The operator starts with these, in the folder of the service:"),
            element("pre", element("code", "python -m training run\npython -m lambda_fn.refresh"), tabindex="0"),
            element("p", element("a", "Try again", href="/", class_="button")),
            class_="unserved",
        ),
    ]
    return shell.text_of("No forecast", body, headers=problem.headers)
