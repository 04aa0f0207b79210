"""The guards of the promises in infra/SECURITY.md, each with the test that has to fail where it is taken away.

`make mutate` takes them away; each row of the table has at least one. `python -m tests.guards` prints them for there.
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple

FAULTS, ATTACKS = "tests/serving/test_faults.py", "tests/serving/server/test_attacks.py"
SANDBOX = "tests/serving/champion/test_sandbox.py"
INTERLEAVINGS, LAST_GOOD = "tests/serving/test_interleavings.py", "tests/serving/store/test_last_known_good.py"


class Guard(NamedTuple):
    """`text` of `file` becomes `without`, and then `test` has to fail."""

    name: str
    file: str
    text: str
    without: str
    test: str


GUARDS = (
    Guard(
        "a lower generation is refused",
        "lambda_fn/champion/generations.py",
        "if last and generation < last.generation:",
        "if False and last and generation < last.generation:",
        "tests/serving/test_refresh.py::test_the_active_generation_never_falls",
    ),
    Guard(
        "a champion is tried before it becomes active",
        "lambda_fn/refresh.py",
        "first = check_champion(data, pointer, settings.pair, store, now.date(), sandbox)",
        "first = pointer.golden[0]",
        INTERLEAVINGS,
    ),
    Guard(
        "an older forecast never replaces a newer one",
        "lambda_fn/record/making.py",
        "return new.order > old.order",
        "return True",
        INTERLEAVINGS,
    ),
    Guard(
        "the ledger is written once",
        "lambda_fn/record/ledger.py",
        "store.create(",
        "(lambda key, data: (store.delete(key), store.create(key, data))[1])(",
        INTERLEAVINGS,
    ),
    Guard(
        "a record that was damaged on the way is noticed",
        "lambda_fn/fields.py",
        "if found and int(found[1], 16) != binascii.crc32(data[: found.start()]):",
        "if False:",
        "tests/serving/test_fuzz.py",
    ),
    Guard(
        "prices that were damaged on the way are noticed",
        "lambda_fn/store/objects.py",
        "if written is not None and written != _sum(data):",
        "if False:",
        "tests/serving/test_damaged_prices.py",
    ),
    Guard(
        "a champion that was damaged on the way is noticed",
        "lambda_fn/champion/cache.py",
        "if found != sha256:",
        "if False:",
        "tests/serving/champion/test_model.py::test_whatever_breaks_the_old_one_goes_on_serving",
    ),
    Guard(
        "what is in memory goes on being served",
        "lambda_fn/store/last_known_good.py",
        "self._known = held._replace(stale=True) if held else None",
        "self._known = None",
        f"{FAULTS}::test_a_fault_leaves_the_old_forecast_and_ends_with_itself[reset]",
    ),
    Guard(
        "nobody who can be answered waits for a slow store",
        "lambda_fn/store/allowance.py",
        "WAIT_S = 0.25",
        "WAIT_S = 60.0",
        f"{LAST_GOOD}::test_a_slow_store_holds_nobody_up_who_can_be_answered_from_memory",
    ),
    Guard(
        "one answer has one allowance",
        "lambda_fn/store/allowance.py",
        "self._spent += self._clock() - now",
        "pass",
        f"{LAST_GOOD}::test_an_answer_waits_no_longer_than_its_allowance_however_many_values_it_looks_for",
    ),
    Guard(
        "a store that is down is not asked by everybody",
        "lambda_fn/store/last_known_good.py",
        "BACK_OFF_S = 4.0",
        "BACK_OFF_S = 0.0",
        f"{LAST_GOOD}::test_with_a_value_in_memory_a_failure_is_stale_and_not_repeated_for_four_seconds",
    ),
    Guard(
        "a request's head is limited",
        "lambda_fn/server/protocol.py",
        "MAX_HEAD = 32 * 1024",
        "MAX_HEAD = 200 * 2**20",
        f"{ATTACKS}::test_a_flood_of_one_header_is_cut_off",
    ),
    Guard(
        "a request has to come in time",
        "lambda_fn/server/protocol.py",
        "READ_S = 10.0",
        "READ_S = 300.0",
        f"{ATTACKS}::test_who_sends_slowly_is_told_so_and_cut_off",
    ),
    Guard(
        "connections are limited",
        "lambda_fn/server/protocol.py",
        "if len(self.connections) > MAX_CONNECTIONS:",
        "if False:",
        f"{ATTACKS}::test_many_slow_connections_keep_nobody_out",
    ),
    Guard(
        "what waits for a thread is limited",
        "lambda_fn/server/asgi.py",
        "if self._waiting >= MAX_IN_THREADS:",
        "if False:",
        f"{ATTACKS}::test_what_is_beyond_the_threads_is_told_to_come_again",
    ),
    Guard(
        "a body is limited",
        "lambda_fn/server/asgi.py",
        "if size > MAX_BODY:",
        "if False:",
        "tests/serving/server/test_server.py::test_a_huge_body_is_413_with_and_without_its_length",
    ),
    Guard(
        "production is built on the pinned base image",
        "infra/base.py",
        "if not first or whole[: len(first)] != first:",
        "if False:",
        "tests/infra/test_base.py::test_an_image_on_another_base_is_noticed",
    ),
    Guard(
        "history is not rewritten in silence",
        "lambda_fn/prices/update.py",
        "if changed := differences(before, offered, needed):",
        "if changed := []:",
        "tests/serving/test_ingest.py",
    ),
    Guard(
        "threads share what is in memory",
        "lambda_fn/web/services.py",
        """        with self._lock:
            if (found""",
        """        if True:
            if (found""",
        "tests/serving/test_served_pairs.py::test_threads_share_what_a_pair_has_in_memory",
    ),
    Guard(
        "one check of a value at a time",
        "lambda_fn/store/last_known_good.py",
        "return self._known  # it came",
        "pass  # it came",
        f"{LAST_GOOD}::test_who_waited_for_the_first_value_starts_no_check_beside_the_threads_own",
    ),
    Guard(
        "what went out of memory leaves no thread behind",
        "lambda_fn/store/last_known_good.py",
        "del held  # so that it can go meanwhile",
        "pass",
        f"{LAST_GOOD}::test_what_nobody_has_any_more_is_not_checked_any_more",
    ),
    Guard(
        "a champion's processor time is limited",
        "lambda_fn/champion/worker.py",
        "resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(began) + math.ceil(seconds), hard))",
        "pass",
        f"{SANDBOX}::test_each_limit_holds_by_itself[processor]",
    ),
    Guard(
        "a champion's memory is limited",
        "lambda_fn/champion/worker.py",
        "resource.setrlimit(resource.RLIMIT_AS, (size + limits.memory, size + limits.memory))",
        "pass",
        f"{SANDBOX}::test_each_limit_holds_by_itself[memory]",
    ),
    Guard(
        "a champion writes no file",
        "lambda_fn/champion/worker.py",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        "pass",
        f"{SANDBOX}::test_each_limit_holds_by_itself[file]",
    ),
    Guard(
        "a champion has operators of ONNX alone",
        "lambda_fn/champion/onnx_file.py",
        'if where in ("OperatorSetId.domain", "Node.domain", "Function.domain") and text not in DOMAINS:',
        "if False:",
        "tests/serving/champion/test_onnx_file.py::test_another_domain_is_refused_where_ever_it_is",
    ),
    Guard(
        "the sandbox has none of the environment",
        "lambda_fn/champion/child.py",
        "env=environment(),",
        "env={**os.environ, **environment()},",
        f"{SANDBOX}::test_the_child_has_its_own_session_no_secret_and_an_empty_folder",
    ),
    Guard(
        "the sandbox works in an empty folder",
        "lambda_fn/champion/child.py",
        "cwd=folder,",
        "",
        f"{SANDBOX}::test_the_child_has_its_own_session_no_secret_and_an_empty_folder",
    ),
    Guard(
        "a champion that ends its child is run three times at most",
        "lambda_fn/champion/sandbox.py",
        "if self._deaths[sha256] >= self._max_deaths:",
        "if False:",
        f"{SANDBOX}::test_after_three_deaths_a_champion_is_not_run_any_more",
    ),
    Guard(
        "a failure in a child that ran another champion is repeated",
        "lambda_fn/champion/sandbox.py",
        "shared = bool(self._champions - {sha256})",
        "shared = False",
        f"{SANDBOX}::test_a_failure_that_another_champion_may_have_caused_is_repeated_in_a_new_child",
    ),
    Guard(
        "the numbers of a child are counted",
        "lambda_fn/champion/sandbox.py",
        "or len(numbers) != 8 * sum(sizes):",
        ":",
        f"{SANDBOX}::test_a_reply_that_is_none_is_an_error_of_the_champion",
    ),
    Guard(
        "a store that is back is asked soon",
        "lambda_fn/store/last_known_good.py",
        "\nBACK_OFF_S = 4.0",
        "\nBACK_OFF_S = 60.0",
        f"{FAULTS}::test_a_fault_leaves_the_old_forecast_and_ends_with_itself[reset]",
    ),
    Guard(
        "with nothing in memory the store is asked again at once",
        "lambda_fn/store/last_known_good.py",
        "FIRST_BACK_OFFS_S = (0.0, 0.5, 1.0, 2.0)",
        "FIRST_BACK_OFFS_S = (30.0,)",
        f"{FAULTS}::test_with_nothing_in_memory_a_fault_is_a_503_that_says_when_to_ask_again",
    ),
    Guard(
        "after what is no HTTP the connection is closed",
        "lambda_fn/server/protocol.py",
        """        if not self.transport.is_closing():
            self._refuse(Problem(400""",
        """        if False:
            self._refuse(Problem(400""",
        f"{ATTACKS}::test_what_is_no_request_is_refused_and_nothing_is_smuggled_in",
    ),
    Guard(
        "closes that jump are refused",
        "lambda_fn/web/closes.py",
        "if jump is not None:",
        "if False:",
        "tests/serving/test_api.py",
    ),
    Guard(
        "an ingest makes up for what an earlier one was stopped before",
        "lambda_fn/ingest.py",
        "    made, unscored = after_prices(",
        """    if not result.rows:
        return Kept(result, Made("unchanged", None, ""), "")
    made, unscored = after_prices(""",
        "tests/serving/test_killed_ingest.py",
    ),
    Guard(
        "a pair that fails stops no other",
        "lambda_fn/invocation/pairs.py",
        "except Exception as error:  # noqa: BLE001  # whatever it is, it is of this pair",
        "except KeyError as error:",
        "tests/serving/test_served_pairs.py",
    ),
    Guard(
        "an answer is of the pair that was asked for",
        "lambda_fn/web/services.py",
        "return self._service(asked)",
        "return self._service(pairs[0])",
        "tests/serving/test_served_pairs.py",
    ),
    Guard(
        "the runbook takes the version before the newest",
        "infra/README.md",
        "Versions[1].VersionId",
        "Versions[0].VersionId",
        "tests/serving/test_restore.py",
    ),
    Guard(
        "queries are not in the access log",
        "lambda_fn/server/access.py",
        'str(path).partition("?")[0]',
        "str(path)",
        "tests/serving/test_secrets.py::test_no_server_tells_a_secret",
    ),
    Guard(
        "an address is shown without what may be secret",
        "lambda_fn/settings.py",
        'return without_logins(url).partition("?")[0]',
        "return url",
        "tests/serving/test_secrets.py",
    ),
    Guard(
        "a record under another pair's key is refused",
        "lambda_fn/fields.py",
        "if value != expected:",
        "if False:",
        "tests/serving/record/test_ledger.py",
    ),
    Guard(
        "prices of a record are those of a distribution",
        "lambda_fn/record/official.py",
        "if not (0 < row[0] and row[-1] <= fields.LARGEST and all(map(le, row, islice(row, 1, None)))):",
        "if False:",
        "tests/serving/record/test_ledger.py",
    ),
    Guard(
        "names hold nothing that acts in a table, a log or a terminal",
        "lambda_fn/fields.py",
        "return self.matching(name, NAME)",
        "return self.text(name)",
        "tests/serving/test_contract.py",
    ),
    Guard(
        "a signature is for one stack",
        "lambda_fn/champion/signature.py",
        "if stack != settings.stack:",
        "if False:",
        "tests/serving/champion/test_signature.py",
    ),
    Guard(
        "a benchmark that serving computes is taken from no pointer",
        "lambda_fn/contract.py",
        "if unknown := sorted(read.found.keys() - {FITTED_BENCHMARK}):",
        "if unknown := []:",
        "tests/serving/test_contract.py",
    ),
    Guard(
        "a record is made anew where its closes or its rows have changed",
        "lambda_fn/record/track.py",
        "if before is None or not closes.made(known, before, _made_from(record, pair)):",
        "if before is None:",
        "tests/serving/record/test_ledger.py",
    ),
    Guard(
        "a price that moves beyond its history waits to be accepted",
        "lambda_fn/prices/update.py",
        "if moves[i - 1] > allowed[i - 2] and day != accepted:",
        "if False:",
        "tests/serving/prices/test_moves.py",
    ),
    Guard(
        "a redirect stays on https",
        "lambda_fn/prices/ecb.py",
        'if urlsplit(req.full_url).scheme == "https" != urlsplit(newurl).scheme:',
        "if False:",
        "tests/serving/prices/test_ecb.py",
    ),
    Guard(
        "the ECB's file is counted before it is split",
        "lambda_fn/prices/ecb.py",
        'if text.count("\\n") > MAX_ROWS or text.count(",") > MAX_CELLS:',
        "if False:",
        "tests/serving/prices/test_ecb.py",
    ),
    Guard(
        "what an event holds is text where text is read",
        "lambda_fn/web/callers.py",
        "check_event(event)\n    return Call",
        "return Call",
        "tests/serving/test_callers.py",
    ),
    Guard(
        "headers of proxies are not believed unless that is set",
        "lambda_fn/server/__main__.py",
        "proxy_headers=bool(trusted),",
        "proxy_headers=True,",
        "tests/serving/server/test_attacks.py",
    ),
    Guard(
        "an answer is limited",
        "lambda_fn/web/answer.py",
        "if len(text) > MAX_ANSWER_BYTES:",
        "if False:",
        "tests/serving/test_request_costs.py::test_an_answer_over_the_limit_is_an_error",
    ),
    Guard(
        "cached answers are limited in number",
        "lambda_fn/web/answer.py",
        "len(self._ready) >= MAX_ANSWERS or ",
        "",
        "tests/serving/web/test_answer.py",
    ),
    Guard(
        "whole requests at work are limited",
        "lambda_fn/server/protocol.py",
        "self._at_work() >= MAX_AT_WORK:",
        "False:",
        "tests/serving/server/test_protocol.py",
    ),
    Guard(
        "a client must take its answer in time",
        "lambda_fn/server/protocol.py",
        "self._set_deadline(self.loop.call_later(SEND_S, self.transport.abort))",
        "pass",
        "tests/serving/server/test_protocol.py::test_a_client_that_does_not_take_its_answer_is_cut_off",
    ),
    Guard(
        "a page is rendered in a thread",
        "lambda_fn/server/asgi.py",
        'result.get("statusCode") == 200 and path != "/":',
        'result.get("statusCode") == 200:',
        "tests/serving/server/test_asgi.py::test_a_page_never_holds_other_answers_up",
    ),
    Guard(
        "the server works in a folder without secrets",
        "lambda_fn/server/__main__.py",
        "os.chdir(WORKING_FOLDER)",
        "pass",
        "tests/serving/server/test_server.py::test_it_works_in_a_folder_without_secrets",
    ),
    Guard(
        "a browser does not guess the type of a page",
        "lambda_fn/web/page/shell.py",
        '"X-Content-Type-Options": "nosniff",',
        "",
        "tests/serving/web/page/test_page.py::test_every_page_tells_the_browser_what_it_must_not_do",
    ),
    Guard(
        "a rollback tries the champion again",
        "lambda_fn/champion/rollback.py",
        "check_champion(champion, old.pointer, pair, store, now.date(), sandbox)",
        "None",
        "tests/serving/test_rollback.py::test_a_champion_that_fails_its_trial_today_is_not_activated_again",
    ),
    Guard(
        "the runtime reads no data outside of a champion's file",
        "lambda_fn/champion/model.py",
        'options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)',
        "None",
        "tests/serving/champion/test_model.py::test_the_runtime_reads_no_data_outside_of_the_file",
    ),
    Guard(
        "the whole answer of a child has one deadline",
        "lambda_fn/champion/child.py",
        "if time.monotonic() >= deadline:",
        "if not events and time.monotonic() >= deadline:",
        "tests/serving/champion/test_sandbox.py::test_an_answer_that_does_not_end_ends_the_child",
    ),
    Guard(
        "packages are installed by their digests",
        "Makefile",
        "--require-hashes $(3)",
        "$(3)",
        "tests/test_project.py::test_make_installs_every_environment_by_the_locked_uv",
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
