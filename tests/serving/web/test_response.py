"""The cache of answers: equal questions are answered once, and what it holds is bounded in number and in size."""

from collections import Counter

from lambda_fn.web.response import MAX_CACHED_CHARACTERS, MAX_CACHED_RESPONSES, ResponseCache, Text, Version

VERSION = Version("etag", 0.0, 1, None)
OPERATION = ("EURUSD", "predict")


def answered_again(count: int, text: str, name_characters: int = 0) -> int:
    """Ask `count` different questions of a new cache and then each again; return how many were not cached."""
    cache, answers = ResponseCache(), Counter[int]()

    def ask(number: int) -> None:
        def make() -> Text:
            answers[number] += 1
            return Text("text/plain", text)

        cache.get(OPERATION, {"h": f"{number}".ljust(name_characters, "x")}, VERSION, make)

    for number in (*range(count), *reversed(range(count))):
        ask(number)
    return answers.total() - count


def test_equal_questions_are_answered_once() -> None:
    assert not answered_again(MAX_CACHED_RESPONSES, "short")


def test_the_number_of_cached_answers_is_bounded() -> None:
    assert answered_again(MAX_CACHED_RESPONSES + 1, "short")


def test_the_size_of_cached_answers_is_bounded_with_that_of_their_questions() -> None:
    large = "x" * (MAX_CACHED_CHARACTERS // 8)
    assert not answered_again(7, large)
    assert answered_again(9, large)
    assert answered_again(9, "short", MAX_CACHED_CHARACTERS // 8)
