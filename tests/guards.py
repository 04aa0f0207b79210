"""The guards of the promises in infra/SECURITY.md, each with the test that has to fail where it is taken away.

`make mutate` takes them away; each row of the table has at least one. `python -m tests.guards` prints them for there.
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.changes import Change, apply_change

FAULTS, ATTACKS = "tests/serving/test_faults.py", "tests/serving/server/test_attacks.py"
SANDBOX = "tests/serving/champion/test_sandbox.py"
CHOSEN, WEBHOOK = "tests/serving/test_chosen.py", "tests/serving/registry/test_webhook.py"
INTERLEAVINGS, LAST_GOOD = "tests/serving/test_interleavings.py", "tests/serving/store/test_cache.py"


class Guard(NamedTuple):
    """With the `change` in a `function` of `file`, or outside of any function, `test` has to fail."""

    name: str
    file: str
    function: str
    change: Change
    test: str

    def remove_from(self, text: str) -> str:
        """Return the text of the file without the guard; raises ValueError where the guard is not there once."""
        try:
            return apply_change(text, self.function, self.change)
        except ValueError as error:
            raise ValueError(f"{self.name}: {self.file}: {error}") from error


GUARDS = (
    Guard(
        "a lower generation is refused",
        "lambda_fn/champion/gate.py",
        "check_generation",
        Change("check", number=2),
        "tests/serving/test_refresh.py::test_the_active_generation_never_falls",
    ),
    Guard(
        "a champion is tried before it becomes active",
        "lambda_fn/jobs/activation.py",
        "check_and_copy",
        Change("Call", "check_champion", "pointer.golden[0]"),
        INTERLEAVINGS,
    ),
    Guard(
        "an older forecast never replaces a newer one",
        "lambda_fn/record/issue.py",
        "Task.is_satisfied_by",
        Change("condition", "order"),
        "tests/serving/record/test_issue.py::test_a_new_generation_and_a_new_day_replace_it_and_the_ledger_stays",
    ),
    Guard(
        "the ledger is written once",
        "lambda_fn/record/official_forecast.py",
        "write_entry",
        Change("callee", "create", "(lambda key, data: (store.delete(key), @(key, data))[1])"),
        INTERLEAVINGS,
    ),
    Guard(
        "a forecast before its close can be known is refused",
        "lambda_fn/record/official_forecast.py",
        "check_clock",
        Change("check"),
        "tests/serving/record/test_live.py",
    ),
    Guard(
        "an entry that was stored after its outcome is not live",
        "lambda_fn/record/scoring.py",
        "find_late_reason",
        Change("condition", "stored_at"),
        "tests/serving/record/test_live.py",
    ),
    Guard(
        "a fallback's signature is verified",
        "lambda_fn/record/issue.py",
        "forecast_or_fall_back",
        Change("Call", "check_signature", "None"),
        "tests/serving/record/test_fallback.py",
    ),
    Guard(
        "a record that was damaged on the way is noticed",
        "lambda_fn/fields.py",
        "json_object",
        Change("check", "crc32"),
        "tests/serving/test_fuzz.py",
    ),
    Guard(
        "prices that were damaged on the way are noticed",
        "lambda_fn/store/object_store.py",
        "Store._check_sum",
        Change("check", "Damaged"),
        "tests/serving/test_damaged_prices.py",
    ),
    Guard(
        "a champion that was damaged on the way is noticed",
        "lambda_fn/champion/cache.py",
        "fetch_file",
        Change("check", "ContractError"),
        "tests/serving/champion/test_runtime.py::test_whatever_breaks_the_old_one_goes_on_serving",
    ),
    Guard(
        "what is in memory goes on being served",
        "lambda_fn/store/cache.py",
        "LastKnownGood._record_failure",
        Change("value", "_cached"),
        f"{FAULTS}::test_a_fault_leaves_the_old_forecast_and_ends_with_itself[reset]",
    ),
    Guard(
        "nobody who can be answered waits for a slow store",
        "lambda_fn/store/object_store.py",
        "",
        Change("value", "WAIT_S", "60.0"),
        f"{LAST_GOOD}::test_a_slow_store_holds_nobody_up_who_can_be_answered_from_memory",
    ),
    Guard(
        "one answer has one allowance",
        "lambda_fn/store/object_store.py",
        "WaitBudget.wait",
        Change("AugAssign"),
        f"{LAST_GOOD}::test_an_answer_waits_no_longer_than_its_allowance_however_many_values_it_looks_for",
    ),
    Guard(
        "a store that is down is not asked by everybody",
        "lambda_fn/store/cache.py",
        "",
        Change("value", "BACK_OFF_S", "0.0"),
        f"{LAST_GOOD}::test_with_a_value_in_memory_a_failure_is_stale_and_not_repeated_for_four_seconds",
    ),
    Guard(
        "a request's head is limited",
        "lambda_fn/server/http_limits.py",
        "",
        Change("value", "MAX_HEAD", "200 * 2**20"),
        f"{ATTACKS}::test_a_flood_of_one_header_is_cut_off",
    ),
    Guard(
        "a request has to come in time",
        "lambda_fn/server/http_limits.py",
        "",
        Change("value", "READ_S", "300.0"),
        f"{ATTACKS}::test_who_sends_slowly_is_told_so_and_cut_off",
    ),
    Guard(
        "connections are limited",
        "lambda_fn/server/http_limits.py",
        "Protocol.connection_made",
        Change("condition", "MAX_CONNECTIONS"),
        f"{ATTACKS}::test_many_slow_connections_keep_nobody_out",
    ),
    Guard(
        "what waits for a thread is limited",
        "lambda_fn/server/asgi.py",
        "_Threads.run",
        Change("check", "MAX_IN_THREADS"),
        f"{ATTACKS}::test_what_is_beyond_the_threads_is_told_to_come_again",
    ),
    Guard(
        "a body is limited",
        "lambda_fn/server/asgi.py",
        "_read",
        Change("check", "MAX_BODY"),
        "tests/serving/server/test_server.py::test_a_huge_body_is_413_with_and_without_its_length",
    ),
    Guard(
        "production is built on the pinned base image",
        "infra/base.py",
        "check",
        Change("check", "NotPinned"),
        "tests/infra/test_base.py::test_an_image_on_another_base_is_noticed",
    ),
    Guard(
        "history is not rewritten in silence",
        "lambda_fn/prices/merge.py",
        "update",
        Change("Call", "find_differences", "[]", number=1),
        "tests/serving/test_ingest.py",
    ),
    Guard(
        "threads share what is in memory",
        "lambda_fn/web/state.py",
        "State.pair",
        Change("lock", "_lock"),
        "tests/serving/test_served_pairs.py::test_threads_share_what_a_pair_has_in_memory",
    ),
    Guard(
        "one check of a value at a time",
        "lambda_fn/store/cache.py",
        "LastKnownGood.current",
        Change("Return", "_cached", number=2),
        f"{LAST_GOOD}::test_who_waited_for_the_first_value_starts_no_check_beside_the_threads_own",
    ),
    Guard(
        "what went out of memory leaves no thread behind",
        "lambda_fn/store/cache.py",
        "_recheck",
        Change("Delete"),
        f"{LAST_GOOD}::test_what_nobody_has_any_more_is_not_checked_any_more",
    ),
    Guard(
        "a champion's processor time is limited",
        "lambda_fn/champion/worker.py",
        "allow_cpu",
        Change("Expr", "setrlimit RLIMIT_CPU"),
        f"{SANDBOX}::test_each_limit_holds_by_itself[processor]",
    ),
    Guard(
        "a champion's memory is limited",
        "lambda_fn/champion/worker.py",
        "confine",
        Change("Expr", "setrlimit RLIMIT_AS"),
        f"{SANDBOX}::test_each_limit_holds_by_itself[memory]",
    ),
    Guard(
        "a champion writes no file",
        "lambda_fn/champion/worker.py",
        "confine",
        Change("Expr", "setrlimit RLIMIT_FSIZE"),
        f"{SANDBOX}::test_each_limit_holds_by_itself[file]",
    ),
    Guard(
        "a champion has operators of ONNX alone",
        "lambda_fn/champion/onnx_validator.py",
        "_Check._check_text",
        Change("check", "DOMAINS"),
        "tests/serving/champion/test_onnx_validator.py::test_another_domain_is_refused_where_ever_it_is",
    ),
    Guard(
        "the sandbox has none of the environment",
        "lambda_fn/champion/child.py",
        "start",
        Change("keyword", "env", "{**os.environ, **@}"),
        f"{SANDBOX}::test_the_child_has_its_own_session_no_secret_and_an_empty_folder",
    ),
    Guard(
        "the sandbox works in an empty folder",
        "lambda_fn/champion/child.py",
        "start",
        Change("keyword", "cwd"),
        f"{SANDBOX}::test_the_child_has_its_own_session_no_secret_and_an_empty_folder",
    ),
    Guard(
        "a champion that ends its child is run three times at most",
        "lambda_fn/champion/sandbox.py",
        "Sandbox.forecast.run",
        Change("check", "Died"),
        f"{SANDBOX}::test_after_three_deaths_a_champion_is_not_run_any_more",
    ),
    Guard(
        "a failure in a child that ran another champion is repeated",
        "lambda_fn/champion/sandbox.py",
        "Sandbox._isolated",
        Change("Call", "bool", "False"),
        f"{SANDBOX}::test_a_failure_that_another_champion_may_have_caused_is_repeated_in_a_new_child",
    ),
    Guard(
        "the numbers of a child are counted",
        "lambda_fn/champion/sandbox.py",
        "_forecast",
        Change("operand", "len"),
        f"{SANDBOX}::test_a_forecast_of_another_size_than_its_shape_is_an_error",
    ),
    Guard(
        "a store that is back is asked soon",
        "lambda_fn/store/cache.py",
        "",
        Change("value", "BACK_OFF_S", "60.0"),
        f"{FAULTS}::test_a_fault_leaves_the_old_forecast_and_ends_with_itself[reset]",
    ),
    Guard(
        "with nothing in memory the store is asked again at once",
        "lambda_fn/store/cache.py",
        "",
        Change("value", "FIRST_BACK_OFFS_S", "(30.0,)"),
        f"{FAULTS}::test_with_nothing_in_memory_a_fault_is_a_503_that_says_when_to_ask_again",
    ),
    Guard(
        "after what is no HTTP the connection is closed",
        "lambda_fn/server/http_limits.py",
        "Protocol.send_400_response",
        Change("condition"),
        f"{ATTACKS}::test_what_is_no_request_is_refused_and_nothing_is_smuggled_in",
    ),
    Guard(
        "closes that jump are refused",
        "lambda_fn/web/price_body.py",
        "parse_prices",
        Change("check", "jump"),
        "tests/serving/test_api.py",
    ),
    Guard(
        "an ingest makes up for what an earlier one was stopped before",
        "lambda_fn/ingest.py",
        "ingest_and_forecast",
        Change(
            "Assign",
            "after_prices",
            'if not prices.rows:\n    return IngestResult(prices, ForecastResult("unchanged", None, ""), "")\n@',
        ),
        "tests/serving/test_killed_ingest.py",
    ),
    Guard(
        "a pair that fails stops no other",
        "lambda_fn/store/command_line.py",
        "each_result",
        Change("handler", "Exception", "KeyError"),
        "tests/serving/test_served_pairs.py",
    ),
    Guard(
        "an answer is of the pair that was asked for",
        "lambda_fn/web/state.py",
        "State.pair",
        Change("argument", "for_pair", "pairs[0]"),
        "tests/serving/test_served_pairs.py",
    ),
    Guard(
        "the runbook restores the previous version",
        "infra/README.md",
        "",
        Change("text", "Versions[1].VersionId", "Versions[0].VersionId"),
        "tests/serving/test_restore.py",
    ),
    Guard(
        "queries are not in the access log",
        "lambda_fn/server/asgi.py",
        "",
        Change("text", 'quote(scope["path"])', 'f\'{scope["path"]}?{scope["query_string"].decode()}\''),
        "tests/serving/test_secrets.py::test_no_server_tells_a_secret",
    ),
    Guard(
        "an address is shown without what may be secret",
        "lambda_fn/settings.py",
        "redact_url",
        Change("Return", without="return url"),
        "tests/serving/test_secrets.py",
    ),
    Guard(
        "a record under another pair's key is refused",
        "lambda_fn/store/schema.py",
        "keyed_object",
        Change("check", "ContractError"),
        "tests/serving/record/test_ledger.py",
    ),
    Guard(
        "prices of a record are those of a distribution",
        "lambda_fn/record/official_forecast.py",
        "check_forecast",
        Change("check", "find_fault rows"),
        "tests/serving/record/test_ledger.py",
    ),
    Guard(
        "names hold nothing that acts in a table, a log or a terminal",
        "lambda_fn/store/schema.py",
        "text",
        Change("operand", "matches"),
        "tests/serving/test_contract.py",
    ),
    Guard(
        "a signature is for one stack",
        "lambda_fn/champion/signature.py",
        "_verify",
        Change("check", "settings stack"),
        "tests/serving/champion/test_signature.py",
    ),
    Guard(
        "a benchmark that serving computes is taken from no pointer",
        "lambda_fn/contract.py",
        "_parse_benchmarks",
        Change("Call", "sorted", "[]"),
        "tests/serving/test_contract.py",
    ),
    Guard(
        "a record is made anew where its closes or its rows have changed",
        "lambda_fn/record/track_record.py",
        "update",
        Change("operand", "matches"),
        "tests/serving/record/test_ledger.py",
    ),
    Guard(
        "a price that moves beyond its history waits to be accepted",
        "lambda_fn/prices/merge.py",
        "_check_moves",
        Change("check", "accept_day"),
        "tests/serving/prices/test_moves.py",
    ),
    Guard(
        "a redirect stays on https",
        "lambda_fn/prices/ecb.py",
        "_CheckedRedirects.redirect_request",
        Change("check", "ValueError"),
        "tests/serving/prices/test_ecb.py",
    ),
    Guard(
        "the ECB's file is counted before it is split",
        "lambda_fn/prices/ecb.py",
        "read",
        Change("check", "MAX_CELLS"),
        "tests/serving/prices/test_ecb.py",
    ),
    Guard(
        "what an event holds is text where text is read",
        "lambda_fn/web/lambda_events.py",
        "_read_payload_2",
        Change("check", "isinstance", number=1),
        "tests/serving/test_callers.py",
    ),
    Guard(
        "headers of proxies are not believed unless that is set",
        "lambda_fn/server/__main__.py",
        "_serve",
        Change("keyword", "proxy_headers", "True"),
        "tests/serving/server/test_attacks.py",
    ),
    Guard(
        "an answer is limited",
        "lambda_fn/web/response.py",
        "Representation.of",
        Change("check", "MAX_ANSWER_BYTES"),
        "tests/serving/test_request_costs.py::test_an_answer_over_the_limit_is_an_error",
    ),
    Guard(
        "cached answers are limited in number",
        "lambda_fn/web/response.py",
        "ResponseCache.get",
        Change("operand", "MAX_CACHED_RESPONSES"),
        "tests/serving/web/test_response.py",
    ),
    Guard(
        "whole requests at work are limited",
        "lambda_fn/server/http_limits.py",
        "Protocol.on_headers_complete",
        Change("condition", "_others MAX_AT_WORK"),
        "tests/serving/server/test_http_limits.py",
    ),
    Guard(
        "a client must take its answer in time",
        "lambda_fn/server/http_limits.py",
        "Protocol.on_response_complete",
        Change("Expr", "_set_deadline SEND_S"),
        "tests/serving/server/test_http_limits.py::test_a_client_that_does_not_take_its_answer_is_cut_off",
    ),
    Guard(
        "a page is rendered in a thread",
        "lambda_fn/server/asgi.py",
        "AsgiApp._respond",
        Change("Compare", "key /", "False"),
        "tests/serving/server/test_asgi.py::test_a_page_never_holds_other_answers_up",
    ),
    Guard(
        "a past day is read in a thread",
        "lambda_fn/server/asgi.py",
        "AsgiApp._respond",
        Change("Compare", "AS_OF", "False"),
        "tests/serving/server/test_asgi.py::test_a_past_day_holds_no_other_up",
    ),
    Guard(
        "the server works in a folder without secrets",
        "lambda_fn/server/__main__.py",
        "main",
        Change("Expr", "chdir"),
        "tests/serving/server/test_server.py::test_it_works_in_a_folder_without_secrets",
    ),
    Guard(
        "a browser does not guess the type of a page",
        "lambda_fn/web/page/render.py",
        "headers",
        Change("entry", "X-Content-Type-Options"),
        "tests/serving/web/page/test_page.py::test_every_page_tells_the_browser_what_it_must_not_do",
    ),
    Guard(
        "text is escaped in a page",
        "lambda_fn/web/page/render.py",
        "_environment",
        Change("keyword", "autoescape"),
        "tests/serving/web/page/test_page.py::test_a_champions_words_are_text_and_nothing_else",
    ),
    Guard(
        "a rollback tries the champion again",
        "lambda_fn/champion/rollback.py",
        "_check_and_copy",
        Change("Expr", "check_champion"),
        "tests/serving/test_rollback.py::test_a_champion_that_fails_its_trial_today_is_not_activated_again",
    ),
    Guard(
        "the runtime reads no data outside of a champion's file",
        "lambda_fn/champion/runtime.py",
        "_session_options",
        Change("Expr", "add_session_config_entry session.model_external_initializers_file_folder_path"),
        "tests/serving/champion/test_runtime.py::test_the_runtime_reads_no_data_outside_of_the_file",
    ),
    Guard(
        "the whole answer of a child has one deadline",
        "lambda_fn/champion/child.py",
        "Child._transfer",
        Change("check", "monotonic", "not events and @"),
        "tests/serving/champion/test_sandbox.py::test_a_whole_answer_after_the_deadline_is_late",
    ),
    Guard(
        "packages are installed by their digests",
        "Makefile",
        "",
        Change("text", "--require-hashes $(3)", "$(3)"),
        "tests/test_project.py::test_make_installs_every_environment_by_the_locked_uv",
    ),
    Guard(
        "a release is checked before it gets requests",
        "infra/release_check/handler.py",
        "find_failures",
        Change("condition", "status"),
        "tests/infra/test_release_check.py::test_only_what_the_live_version_does_better_counts",
    ),
    Guard(
        "a release waits for a dry run of its jobs",
        "infra/release_check/handler.py",
        "find_failures",
        Change("condition", "error"),
        "tests/infra/test_release_check.py::test_a_store_that_refuses_for_good_stops_the_release",
    ),
    Guard(
        "every route but the sign-in page asks for a token",
        "template.yaml",
        "",
        Change(
            "text",
            "security: !If [IsReadOnly, [{IAM: []}], !If [AuthIam, [{IAM: []}], !If [AuthJwt, [{JWT: []}], []]]]",
            "security: []",
        ),
        "tests/infra/test_people.py::test_who_may_sign_in_reaches_one_page_without_a_token",
    ),
    Guard(
        "a provider's address holds nothing that ends a rule of a policy",
        "lambda_fn/variables.py",
        "parse_sign_in",
        Change("check", "pattern"),
        "tests/serving/test_sign_in.py::test_each_setting_is_checked",
    ),
    Guard(
        "a token is of the attempt that the tab began",
        "lambda_fn/web/page/sign_in.js",
        "",
        Change("text", " || nonce !== attempt.nonce", ""),
        "tests/browser/test_sign_in.py::test_a_token_of_another_sign_in_is_refused",
    ),
    Guard(
        "a code is of the sign-in that the tab began",
        "lambda_fn/web/page/sign_in.js",
        "",
        Change("text", 'attempt?.state !== answer.get("state") || ', ""),
        "tests/browser/test_sign_in.py::test_a_code_that_somebody_else_sent_is_not_redeemed",
    ),
    Guard(
        "MLflow's delivery is signed",
        "lambda_fn/registry/webhook.py",
        "read_delivery",
        Change("check", "compare_digest"),
        f"{WEBHOOK}::test_a_forged_delivery_is_refused",
    ),
    Guard(
        "MLflow's delivery is five minutes old at most",
        "lambda_fn/registry/webhook.py",
        "read_delivery",
        Change("check", "MAX_AGE"),
        f"{WEBHOOK}::test_a_replayed_delivery_is_refused_after_five_minutes",
    ),
    Guard(
        "MLflow's delivery is limited in size",
        "lambda_fn/registry/webhook.py",
        "read_delivery",
        Change("check", "MAX_BODY"),
        f"{WEBHOOK}::test_an_oversized_delivery_is_refused_before_its_signature_is_computed",
    ),
    Guard(
        "deliveries of MLflow that wait are limited",
        "lambda_fn/server/hooks.py",
        "Hooks.respond",
        Change("condition", "acquire"),
        "tests/serving/server/test_hooks.py::test_deliveries_beyond_the_limit_are_repeated_by_mlflow",
    ),
    Guard(
        "where a key is configured, what is chosen in MLflow has a candidate",
        "lambda_fn/jobs/chosen.py",
        "_read_candidate",
        Change("check", "champion_public_keys"),
        f"{CHOSEN}::test_without_a_candidate_a_version_is_read_the_old_way_unless_a_key_is_configured",
    ),
    Guard(
        "the signature of a candidate in MLflow is verified",
        "lambda_fn/jobs/chosen.py",
        "_read_candidate",
        Change("Expr", "verify_candidate"),
        f"{CHOSEN}::test_a_forged_candidate_is_refused",
    ),
    Guard(
        "generations chosen in MLflow are above reserved ones",
        "lambda_fn/jobs/chosen.py",
        "_next_generation",
        Change("Return", without="return (last.generation if last else 0) + 1"),
        f"{CHOSEN}::test_a_publisher_at_work_is_not_refused_after_a_choice",
    ),
    Guard(
        "what training is publishing is not chosen in MLflow a second time",
        "lambda_fn/jobs/chosen.py",
        "_activate.attempt",
        Change("Call", "_find_reserved"),
        f"{CHOSEN}::test_what_training_is_publishing_is_activated_as_exactly_that_pointer",
    ),
    Guard(
        "what MLflow replaces is not refused",
        "lambda_fn/jobs/chosen.py",
        "_activate.attempt",
        Change("Expr", "_supersede"),
        f"{CHOSEN}::test_the_replaced_pointer_is_superseded_and_not_refused",
    ),
    Guard(
        "an old choice in MLflow does not undo a rollback",
        "lambda_fn/champion/choices.py",
        "Choices.is_new",
        Change("Return", without="return uri not in self.holders"),
        f"{CHOSEN}::test_a_publication_that_was_rolled_back_within_the_hour_stays_so",
    ),
    Guard(
        "MLflow does not start with another key than that of its webhooks",
        "infra/mlflow_server.py",
        "serve",
        Change("Expr", "check_webhooks"),
        "tests/infra/test_webhook_key.py::test_it_does_not_start_when_its_webhooks_cannot_be_decrypted",
    ),
)


def rows() -> Iterator[str]:
    """The lines of a table in Markdown: the guard, its file and the test that notices."""
    yield "| guard | where | noticed by |"
    yield "|---|---|---|"
    for guard in GUARDS:
        yield f"| {guard.name} | `{guard.file}` | `{guard.test.removeprefix('tests/')}` |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{row}\n" for row in rows())
