"""Breaks one rule at a time in a copy of the project, and prints the breaks that no test notices.

python -m benchmarks.mutants             # all of them; those of dbt take some minutes more
python -m benchmarks.mutants retry clock # those whose rule or file holds one of these words

Each mutant is one line of code, and names the tests that know its rule. They run in a temporary
copy of the files of the working tree, and stop at the first that fails.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

# Loaded once; what a mutant changes must not be among them.
import hypothesis  # noqa: F401
import impact_sandbox.server  # noqa: F401
import pytest
import singer_sdk  # noqa: F401

ROOT = Path(__file__).parents[1]


class Mutant(NamedTuple):
    """One line that is wrong."""

    rule: str
    """What does not hold any more."""
    path: str
    right: str
    """What stands there, once."""
    wrong: str
    """What is put in its place."""
    tests: str
    """Arguments of pytest."""


def mutants() -> list[Mutant]:
    """All mutants, in the order of the files."""
    return [
        Mutant(rule, path, right, wrong, tests)
        for path, found in MUTANTS.items()
        for rule, right, wrong, tests in found
    ]


MUTANTS: dict[str, list[tuple[str, str, str, str]]] = {
    "tap_impact/api/network_errors.py": [
        (
            "a host that hangs up can be reached",
            "    return isinstance(error, OF_NO_CONNECTION) or any(",
            "    return is_unanswered(error) or any(",
            "tests/test_live_account.py -k requested_smaller",
        ),
    ],
    "tap_impact/progress/dated.py": [
        (
            "open windows that meet become one",
            "            if merged := query.merged(other):",
            '            if merged := query.merged(query._replace(state="")):',
            "tests/test_live_account.py -k become_few",
        ),
    ],
    "tap_impact/api/client.py": [
        (
            "a page that changed since the first reading is read",
            "digest = hash(answer)",
            'digest = shown.count("Page=2")',
            "tests/test_silent_loss.py -k moving",
        ),
        (
            "the last page may name itself as the next",
            "if url and 0 < body.pages <= len(seen) and page_number(url) == str(len(seen)):",
            "if url and 0 < body.pages < len(seen) and page_number(url) == str(len(seen)):",
            "tests/test_live_account.py -k many_ways",
        ),
        (
            "408 is retried",
            "case HTTPStatus.REQUEST_TIMEOUT:",
            "case HTTPStatus.IM_A_TEAPOT:",
            "tests/test_client.py -k own_class",
        ),
        (
            "pauses grow",
            "pause = backoff.full_jitter(next(pauses))",
            "pause = backoff.full_jitter(MIN_PAUSE)",
            "tests/test_client.py -k pauses_between",
        ),
        (
            "Retry-After: 0 without end comes to an end",
            "pause = max(pause, error.seconds)",
            "pause = error.seconds",
            "tests/test_client.py -k ever_more_rarely",
        ),
        (
            "a limit is waited for one second more than asked",
            "pause += 1",
            "pause += 0",
            "tests/test_client.py -k second_longer",
        ),
        (
            "threads share no cookies",
            "self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))",
            "self._session.cookies.set_policy(DefaultCookiePolicy())",
            "tests/test_client.py -k cookie",
        ),
        (
            "waits for limits add up",
            "waited += pause",
            "waited = pause",
            "tests/test_client.py -k ever_more_rarely",
        ),
        (
            "a query is tried seven times",
            "if tries == TRIES:",
            "if tries == TRIES + 1:",
            "tests/test_faults.py -k 503",
        ),
        (
            "the token goes to no host that a page names",
            ' or uri.startswith("//")',
            "",
            "tests/test_faults.py -k short",
        ),
        (
            "a redirect of the API is not followed",
            "method, url, timeout=self._timeout_seconds, allow_redirects=False, stream=True",
            "method, url, timeout=self._timeout_seconds, allow_redirects=True, stream=True",
            "tests/test_client.py -k redirect_of_the_api",
        ),
        (
            "no redirect leads a file to plain http",
            "if not is_safe(url):",
            "if not is_safe(url) and False:",
            "tests/test_client.py -k open_line",
        ),
        (
            "no credentials go to the host of files",
            "auth=unauthenticated,",
            "auth=None,",
            "tests/test_exports.py -k credentials_of_the_user",
        ),
        (
            "what impact.com repeats is redacted",
            "words = words.replace(secret, name)",
            "words = words.replace(name, name)",
            "tests/test_secrets.py",
        ),
        (
            "410 is as 404",
            "case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:",
            "case HTTPStatus.NOT_FOUND:",
            "tests/test_exports.py -k forgotten",
        ),
        (
            "an error of 200 is an error",
            'body.get("Status") == "ERROR" and "Id" not in body',
            'body.get("Status") == "ERROR" and "Id" in body',
            "tests/test_faults.py -k ERROR",
        ),
    ],
    "tap_impact/api/rate_limit.py": [
        (
            "a reset may be given as a timestamp",
            "return seconds if seconds < now / 2 else max(seconds - now, 0)",
            "return seconds",
            "tests/api/test_rate_limit.py",
        ),
        (
            "requests are spread when few are left",
            "NEAR = 0.05",
            "NEAR = 0.5",
            "tests/api/test_rate_limit.py",
        ),
        (
            "endpoints that show one limit share it",
            "self._limit_of[endpoint] = limit",
            "self._limit_of.setdefault(endpoint, len(self._limit_of))",
            "tests/api/test_rate_limit.py",
        ),
    ],
    "tap_impact/api/clock.py": [
        (
            "the time is impact.com's",
            "self._ahead = here - there",
            "self._ahead = timedelta()",
            "tests/test_client.py -k time_is_that",
        ),
        (
            "clocks that disagree by minutes are named",
            "if abs(self._ahead) > TOLERANCE and not self._warned:",
            "if self._ahead > 99 * TOLERANCE and not self._warned:",
            "tests/test_client.py -k disagree",
        ),
    ],
    "tap_impact/api/exports.py": [
        (
            "a job of another token says nothing of this one",
            "not self._has_downloaded and not self._may_download():",
            "not self._has_downloaded:",
            "tests/test_bad_click_days.py -k costs_one_export",
        ),
        (
            "requested_at is the job's",
            'requested=timestamp_of(seen, "CreatedDate") or job.requested,',
            "requested=job.requested,",
            "tests/test_exports.py tests/test_clicks.py -k requested",
        ),
        (
            "rows are compared with RecordsProcessed",
            "if self.expected is not None and rows < self.expected:",
            "if self.expected is not None and rows < 0:",
            "tests/test_exports.py -k fewer_rows",
        ),
        (
            "an empty file is believed when it comes twice",
            "if isinstance(answer, File) and answer.size == 0:",
            "if isinstance(answer, File) and answer.size < 0:",
            "tests/test_exports.py -k empty_file",
        ),
        (
            "an export is counted before it is sent",
            "self._count(+1)",
            "self._count(0)",
            "tests/test_exports.py -k quota",
        ),
        (
            "a missing scope uses no quota up",
            "except (AccessDenied, WrongCredentials):\n                self._count(-1)",
            "except (AccessDenied, WrongCredentials):\n                self._count(0)",
            "tests/test_exports.py -k scope",
        ),
        (
            "a job that is unknown for a while is kept",
            "now - job.requested < MAX_VISIBILITY_DELAY:",
            "now < job.requested:",
            "tests/test_exports.py -k unknown",
        ),
        (
            "what fails is asked for ever more rarely",
            "delay = FIRST_DELAY * 4 ** min(count - 2, 9) if count > 1 else timedelta()",
            "delay = FIRST_DELAY",
            "tests/test_exports.py -k grow",
        ),
        (
            "requests that all fail leave some of the quota",
            "if refused == MAX_FAILED_REQUESTS:",
            "if refused == MAX_FAILED_REQUESTS * 9:",
            "tests/test_exports.py -k all_fail",
        ),
        (
            "a job from before its day was over is replayed",
            "if seen and not self._is_complete(query, job, seen):",
            "if seen and not seen:",
            "tests/test_exports.py -k before_its_day",
        ),
        (
            "a file with clicks and a Status is no job",
            'if found.keys() & {"Id", "QueuedUri", "ResultUri"}:',
            "if found:",
            "tests/test_bad_click_days.py -k beside_a_status",
        ),
        (
            "a 404 is about one day's export alone",
            "if isinstance(error, NotFound) and self._queries[key].path_is_of_data:",
            "if isinstance(error, NotFound):",
            "tests/test_bad_click_days.py -k 404",
        ),
    ],
    "tap_impact/api/export_files.py": [
        (
            "a row's own fields win over nested ones",
            "row |= {key: value for key, value in first.items() if is_blank(row.get(key))}",
            "row |= first",
            "tests/test_export_files.py -k nested_parts",
        ),
        (
            "a row may begin with a nested part",
            'TELLING_OF_A_CLICK = frozenset({"EventDate", *NESTED})',
            'TELLING_OF_A_CLICK = frozenset({"EventDate"})',
            "tests/test_export_files.py -k nested_parts",
        ),
        (
            "a row that cannot be decoded costs linear time",
            "GUESSES = 4",
            "GUESSES = 4_000_000",
            "tests/test_export_files.py -k linear",
        ),
        (
            "a row without a known field is an error",
            'raise UnreadableFile("a row of it has no field that is known")',
            "return row",
            "tests/test_export_files.py tests/test_exports.py -k refused",
        ),
    ],
    "tap_impact/api/pages.py": [
        (
            "U+0000 is never emitted",
            'return REPLACEMENT, "U+0000 (now U+FFFD)"',
            'return written, "U+0000 (now U+FFFD)"',
            "tests/test_decoding.py",
        ),
        (
            "a byte that is not UTF-8 stops nothing",
            'text = content.decode(errors="replace")',
            'text = content.decode(errors="strict")',
            "tests/test_decoding.py",
        ),
    ],
    "tap_impact/sources/lists.py": [
        (
            "a row may be listed twice",
            "are_listed_twice = is_second and not has_new and count >= announced",
            "are_listed_twice = False",
            "tests/test_live_account.py -k listed_twice",
        ),
        (
            "rows that are listed twice hide none that are missing",
            "are_listed_twice = is_second and not has_new and count >= announced",
            "are_listed_twice = is_second and not has_new",
            "tests/test_faults.py -k lies",
        ),
        (
            "small lists: pages that cannot be sent are requested smaller",
            "except (TooManyPages, RetriableAPIError) as error:",
            "except TooManyPages as error:",
            "tests/test_live_account.py -k requested_smaller",
        ),
        (
            "a list of several pages is read twice",
            "if not is_short and (is_second or (number == 1 and not is_blank)):",
            "if not is_short:",
            "tests/test_silent_loss.py -k moving",
        ),
        (
            "fewer rows than announced are not believed",
            "is_short = len(seen) < announced and not are_listed_twice",
            "is_short = False",
            "tests/test_faults.py -k lies",
        ),
        (
            "a blank answer ends no list that was announced",
            "announced = page.total or announced",
            "announced = page.total",
            "tests/test_silent_loss.py -k blank_answer",
        ),
    ],
    "tap_impact/progress/windows.py": [
        (
            "windows have 44 days, not 45",
            "WIDEST = timedelta(days=44)",
            "WIDEST = timedelta(days=45)",
            "tests/test_windows.py",
        ),
        (
            "half a window is what is left of it",
            "return Window(self.start, middle), Window(middle, self.end)",
            "return Window(self.start, middle), Window(middle, middle)",
            "tests/test_windows.py",
        ),
    ],
    "tap_impact/progress/coverage.py": [
        (
            "settlement asks for nothing before the account",
            "max(recent - settlement_lookback, reach, min(start, covered.since))",
            "max(recent - settlement_lookback, reach)",
            "tests/test_live_account.py -k ten_days",
        ),
        (
            "history begins no later than what is loaded",
            "return cls(min(parse_timestamp(since) if since else start, through), through)",
            "return cls(parse_timestamp(since) if since else min(start, through), through)",
            "tests/test_live_account.py -k ends_of_time",
        ),
        (
            "a bookmark with microseconds is one of whole seconds",
            "through = parse_timestamp(through).replace(microsecond=0)",
            "through = parse_timestamp(through)",
            "tests/test_coverage.py",
        ),
        (
            "a bookmark by hand that is older than start_date counts",
            "return cls(min(parse_timestamp(since) if since else start, through), through)",
            "return cls(parse_timestamp(since) if since else start, through)",
            "tests/test_coverage.py",
        ),
        (
            "each run looks back over the last one",
            "OVERLAP = timedelta(hours=2)",
            "OVERLAP = timedelta(0)",
            "tests/test_account_life.py",
        ),
        (
            "what was locked is looked at for weeks",
            "max(recent - settlement_lookback, reach, min(start, covered.since))",
            "max(recent, reach, min(start, covered.since))",
            "tests/test_account_life.py -k sixty",
        ),
        (
            "nothing is asked for that is out of reach",
            "for window in newest_first(max(start, reach), covered.since):",
            "for window in newest_first(start, covered.since):",
            "tests/test_coverage.py",
        ),
    ],
    "tap_impact/progress/queries.py": [
        (
            "an open window that impact.com no longer gives is closed",
            "if self.window.end <= reach:",
            "if False:",
            "tests/test_silent_loss.py -k no_longer_gives",
        ),
        (
            "a campaign that is too large is asked for by state",
            "return [self._replace(state=each) for each in STATES]",
            "return []",
            "tests/test_silent_loss.py -k by_state",
        ),
    ],
    "tap_impact/sources/dated.py": [
        (
            "a 400 by accident is not the account's beginning",
            "        if self._is_answered(Window(oldest",
            "        if window.end < oldest and self._is_answered(Window(oldest",
            "tests/test_live_account.py -k by_accident",
        ),
        (
            "a window that fails stops no other",
            "            self._failed_in_a_row += 1",
            "            self._failed_in_a_row += 2",
            "tests/test_live_account.py -k stops_neither",
        ),
        (
            "a campaign that is no text stops no action",
            "for each in named if each and isinstance(each, str | int)",
            "for each in {*named} if each",
            "tests/test_live_account.py -k campaign_that_cannot",
        ),
        (
            "full-table replication begins where the account does",
            "for rows in reading.history(window):",
            "for rows in reading.window(Purpose.HISTORY, window):",
            "tests/test_account_life.py -k begins_where",
        ),
        (
            "campaigns that any row named are asked for",
            "return sorted(listed | self.progress.campaigns)",
            "return sorted(listed)",
            "tests/test_silent_loss.py -k not_listed",
        ),
        (
            "a second is read by the largest pages",
            "if query.window.can_be_halved:",
            "if True:",
            "tests/test_silent_loss.py -k largest_pages",
        ),
        (
            "actions: pages that cannot be sent are requested smaller",
            "if isinstance(error, Unreachable) or page_size == MIN_PAGE_SIZE:",
            "if True:",
            "tests/test_live_account.py -k requested_smaller",
        ),
        (
            "what stays open is not searched for anew",
            "known = [each for each in self.progress.unanswered if each.state]",
            "known = []",
            "tests/test_silent_loss.py -k not_searched",
        ),
        (
            "what stayed open is asked again",
            "to_repeat = [*self.progress.unanswered]",
            "to_repeat = []",
            "tests/test_live_account.py -k cannot_be_placed",
        ),
        (
            "a 400 on all of history is an error",
            "if not self.has_history:",
            "if self.has_history is None:",
            "tests/test_live_account.py -k not_taken_for",
        ),
        (
            "an earlier start_date asks again",
            "progress.account_start_for(start) or start",
            "progress.account_start or start",
            "tests/test_live_account.py -k earlier_start",
        ),
        (
            "the account's beginning is kept in state",
            "self.progress.refused_start = self.sync.settings.start",
            "self.progress.refused_start = None",
            "tests/test_live_account.py -k found_once",
        ),
        (
            "no day before history is there in part",
            "return dated is None or dated >= since",
            "return True",
            "tests/test_account_life.py -k in_part",
        ),
        (
            "a row that cannot be placed keeps its window open",
            "if self.sync.skipped_rows > skipped_rows and purpose is not Purpose.SETTLEMENT:",
            "if self.sync.skipped_rows < skipped_rows and purpose is not Purpose.SETTLEMENT:",
            "tests/test_live_account.py -k placed",
        ),
        (
            "a bookmark in the future is put back",
            "if covered and covered.through > settings.clock + CLOCKS_AGREE:",
            "if covered and covered.through < covered.since:",
            "tests/test_silent_loss.py -k repaired",
        ),
    ],
    "tap_impact/records/fields.py": [
        (
            "0 and false are values",
            "return None if is_blank(value) else as_text(value)",
            "return None if is_blank(value) or not value else as_text(value)",
            "tests/test_fields.py tests/test_fast_path.py",
        ),
        (
            "a payout of 0 is 0",
            "return None if is_blank(value) else exact_decimal(value)",
            "return None if is_blank(value) or not value else exact_decimal(value)",
            "tests/test_fields.py tests/test_fast_path.py",
        ),
        (
            "a region may be called NA",
            'BLANKS_OF_PLACES = BLANKS - {"NA"}',
            "BLANKS_OF_PLACES = BLANKS",
            "tests/test_fields.py -k called_na",
        ),
        (
            "money that cannot be read ends the run with 1",
            "return decimal(source, description)._replace(role=Role.MONEY)",
            "return decimal(source, description)",
            "tests/test_live_account.py -k money",
        ),
        (
            "thousands may be grouped",
            'digits = digits.replace(",", "")',
            'digits = digits.replace("_", "")',
            "tests/test_fields.py -k money",
        ),
        (
            "a day is the account's own",
            "return parse_with_offset(as_text(value).strip()).date().isoformat()",
            "return iso(parse_with_offset(as_text(value).strip()))[:10]",
            "tests/test_fields.py -k timestamps",
        ),
        (
            "a key is never blank",
            "    if is_blank(value):\n        raise UnreadableValue\n    return as_text(value)",
            "    return as_text(value)",
            "tests/test_fields.py -k never_blank",
        ),
    ],
    "tap_impact/progress/items.py": [
        (
            "items: actions of the very second of start_date",
            "if start <= action.event_date == since:",
            "if start < action.event_date == since:",
            "tests/test_items.py -k between",
        ),
        (
            "items: any change of the action asks again",
            "fingerprint(line, 6)",
            'fingerprint(record["id"].encode(), 6)',
            "tests/test_items.py -k any_change",
        ),
        (
            "items: a change of the items alone asks again",
            "return (self.updates or frozenset()) | {self.digest}",
            "return frozenset({self.digest})",
            "tests/test_silent_loss.py -k items_alone",
        ),
        (
            "items: no list is read twice in vain",
            "through = max(self.coverage.through, min(window.end + OVERLAP, now))",
            "through = max(self.coverage.through, min(window.end, now))",
            "tests/test_items.py -k between",
        ),
        (
            "items: actions before start_date are not asked for",
            "return action.event_date >= min(start, self.coverage.since)",
            "return True",
            "tests/test_live_account.py -k before_start_date",
        ),
        (
            "items: three 404s close an action",
            "RUNS_UNTIL_GONE = 3",
            "RUNS_UNTIL_GONE = 2",
            "tests/test_items.py -k 404",
        ),
        (
            "items: the open actions in state are bounded",
            "if action.id not in self.open and len(self.open) >= MAX_OPEN:",
            "if action.id not in self.open and len(self.open) < 0:",
            "tests/test_items.py -k bounded",
        ),
    ],
    "tap_impact/sources/action_items.py": [
        (
            "an action without a date is requested by the next run if not by this one",
            "                    progress.add_open(action)",
            "                    self._failures.drop(action)",
            "tests/test_items.py -k without_a_date",
        ),
        (
            "an action without an id ends the run with an error",
            "        if self.without_key:",
            "        if self.without_key and action_ids:",
            "tests/test_items.py -k without_an_id",
        ),
        (
            "items: those without SKU are kept",
            'sku = "" if row.get("Sku") is None else str(row["Sku"])',
            'sku = str(row["Sku"])',
            "tests/test_items.py -k without_sku",
        ),
        (
            "items: fewer than @total are not believed",
            "if len(rows) < announced:",
            "if len(rows) < 0:",
            "tests/test_silent_loss.py -k did_not_all",
        ),
        (
            "items: an answer with neither items nor a total is none",
            "if pages[0].is_blank:",
            "if pages[0] is None:",
            "tests/test_silent_loss.py -k did_not_all",
        ),
    ],
    "tap_impact/sources/report_items.py": [
        (
            "updates are asked for since the last run, wherever the account is",
            "datetime.combine(through - ONE_DAY, time.min, tzinfo=UTC)",
            "datetime.combine(through, time.min, tzinfo=UTC)",
            "tests/test_reports.py -k wherever_the_account",
        ),
    ],
    "tap_impact/sources/reports.py": [
        (
            "the summary of a run looks at the report's own state",
            "covered = PeriodCoverage.of_bookmark(report.progress_in(stream.bookmark))",
            "covered = PeriodCoverage.of_bookmark(stream.bookmark)",
            "tests/test_run_summary.py -k whichever_way",
        ),
    ],
    "tap_impact/streams/clicks.py": [
        (
            "click_key leaves out names that may change",
            '*("id", "campaign_id", "profile_id"',
            '*("id", "campaign_name", "campaign_id", "profile_id"',
            "tests/test_clicks.py -k click_key",
        ),
        (
            "click_key is of all that makes the click",
            '"referring_url", "referring_domain", "landing_page_url", "traffic_category"',
            '"referring_url", "referring_domain", "traffic_category"',
            "tests/test_clicks.py -k click_key",
        ),
    ],
    "tap_impact/sources/click_exports.py": [
        (
            "payouts of alike clicks each count",
            "self.payout += clicks * (payout or 0)",
            "self.payout += payout or 0",
            "tests/test_clicks.py -k totals",
        ),
        (
            "no key of daily_clicks is null",
            'totals[campaign_id or "", ad_id or ""].add(',
            "totals[campaign_id, ad_id].add(",
            "tests/test_clicks.py -k totals",
        ),
        (
            "playing the past leaves later jobs alone",
            "ledger.retain(key for key in known if key in keys or key > last.isoformat())",
            "ledger.retain(keys)",
            "tests/test_clicks.py -k playing",
        ),
    ],
    "tap_impact/progress/click_days.py": [
        (
            "a day of clicks settles for two hours",
            "return (now - OVERLAP).astimezone(zone or WESTERNMOST).date() - ONE_DAY",
            "return now.astimezone(zone or WESTERNMOST).date() - ONE_DAY",
            "tests/test_days.py",
        ),
        (
            "days in between are missing",
            "missing=(self.missing | between) - {day},",
            "missing=self.missing - {day},",
            "tests/test_days.py",
        ),
    ],
    "tap_impact/settings.py": [
        (
            "what stands in place of a store is not repeated",
            'message = message.replace(repr(error.instance), "its value")',
            "message = str(message)",
            "tests/test_settings.py -k store",
        ),
        (
            "end_date is after start_date",
            'elif timestamps["end_date"] <= timestamps["start_date"]:',
            'elif timestamps["end_date"] < timestamps["start_date"]:',
            "tests/test_settings.py",
        ),
        (
            "a token pasted into another setting is not echoed",
            "sentence = sentence.replace(repr(value)[1:-1], shown).replace(value, shown)",
            "sentence = sentence.replace(repr(value)[1:-1], value)",
            "tests/test_settings.py -k pasted",
        ),
    ],
    "tap_impact/singer/batch_files.py": [
        (
            "no part of a file has its final name",
            "growing = path + PART if can_rename else path",
            "growing = path",
            "tests/test_messages.py tests/test_batch.py",
        ),
    ],
    "tap_impact/singer/adapter.py": [
        (
            "no version is activated while rows are missing",
            "if not self.anomalies.skipped_rows:",
            "if self.anomalies.skipped_rows >= 0:",
            "tests/test_live_account.py -k activate",
        ),
        (
            "flattening needs no stream maps",
            (
                "return not (sdk_internals.has_nested_selection(self) "
                "or sdk_internals.has_stream_maps(self))"
            ),
            "return not sdk_internals.has_nested_selection(self)",
            "tests/test_fast_path.py -k same_bytes",
        ),
    ],
    "tap_impact/singer/message_writer.py": [
        (
            "no record holds the token",
            "records = records.replace(self._secret, REDACTED)",
            "records = records.replace(REDACTED, self._secret)",
            "tests/test_secrets.py",
        ),
        (
            "a STATE comes after the rows it covers",
            "            self.flush()\n            super().write_message(message)",
            "            super().write_message(message)",
            "tests/test_messages.py",
        ),
    ],
    "tap_impact/records/timestamps.py": [
        (
            "a bookmark of the year 1 stops nothing",
            "return max(utc, EARLIEST)",
            "return utc",
            "tests/test_live_account.py -k ends_of_time",
        ),
    ],
    "tap_impact/tap.py": [
        (
            "a token among the entries of reports is not repeated",
            'sentences = without_secrets("; ".join(found), config)',
            'sentences = "; ".join(found)',
            "tests/test_secrets.py -k pasted",
        ),
        (
            "odd marks of the SDK are dropped",
            "for name, each in bookmark.items() if name not in SDK_MARKS}",
            "for name, each in bookmark.items() if name not in {0}}",
            "tests/test_live_account.py -k odd_marks",
        ),
        (
            "an error of one stream leaves the others loaded",
            "except (WrongCredentials, ConfigValidationError, OutputError):",
            "except (FatalAPIError, ConfigValidationError, OutputError):",
            "tests/test_live_account.py -k leaves_the_others",
        ),
        (
            "the state of another account is refused",
            "if bookmark.get(ACCOUNT_DIGEST, digest) != digest:",
            'if bookmark.get(ACCOUNT_DIGEST, digest) == "":',
            "tests/test_silent_loss.py -k another_account",
        ),
        (
            "odd state ends before any request",
            "sources[stream].check_bookmark(bookmark)",
            "sources[stream].check_bookmark({})",
            "tests/test_live_account.py -k odd_state",
        ),
    ],
    "transform/models/impact_daily_performance.sql": [
        (
            "dbt: what is lost is what was intended",
            "then intended_payout - payout else 0 end) as commission_lost",
            "then payout else 0 end) as commission_lost",
            "tests/test_one_truth.py",
        ),
        (
            "dbt: sales are without reversed ones",
            "sum(case when state <> 'reversed' then amount else 0 end) as sale_amount",
            "sum(amount) as sale_amount",
            "tests/test_one_truth.py",
        ),
        (
            "dbt: the campaign's present name wins",
            "coalesce(max(present_name), max(former_name)) as campaign_name",
            "coalesce(max(former_name), max(present_name)) as campaign_name",
            "tests/test_one_truth.py tests/test_transform.py",
        ),
        (
            "dbt: a click is counted once where actions have two currencies",
            "            and coalesce(sums.currency, '') = coalesce(click_days.currency, '')\n",
            "",
            "tests/test_one_truth.py tests/test_transform.py",
        ),
    ],
    "transform/models/impact_payouts.sql": [
        (
            "dbt: one change of several items counts once",
            "group by action_id, update_date",
            "group by action_id, update_date, delta_payout, state",
            "tests/test_one_truth.py tests/test_transform.py",
        ),
    ],
    "transform/models/impact_payout_history.sql": [
        (
            "dbt: updates before the first loaded day are left out",
            "inner join payouts on",
            "left join payouts on",
            "tests/test_one_truth.py tests/test_transform.py",
        ),
    ],
    "transform/models/impact_alerts.sql": [
        (
            "dbt: data that stopped long ago is late",
            "inner join mornings on arrivals.days_ago >= mornings.days_ago\n",
            "inner join mornings on arrivals.days_ago - mornings.days_ago between 0 and 30\n",
            "tests/test_models.py -k data_that_stopped",
        ),
        (
            "dbt: what is usual is told by the days before the newest action",
            "and arrivals.days_ago < newest.days_ago + {{ base_days }}\n",
            "and arrivals.days_ago < {{ base_days }}\n",
            "tests/test_models.py -k data_that_stopped",
        ),
    ],
    "transform/macros/loaded.sql": [
        (
            "dbt: rows that are marked as gone are left out",
            "where _sdc_deleted_at is null",
            "where 1 = 1",
            "tests/test_one_truth.py tests/test_transform.py",
        ),
    ],
}


def copy_of_project(folder: Path) -> Path:
    """The files of the working tree, without what git does not know."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # dbt and its like, which the tests install once
    if (ROOT / ".meltano").is_dir():
        (folder / ".meltano").symlink_to(ROOT / ".meltano")
    return folder


def run_tests(folder: Path, arguments: list[str], log: Path) -> None:
    """Run tests in this process, which ends with pytest's exit code."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = os.fspath(folder)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.fspath(folder))
    # pytest would like to load the plug-ins itself
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestWarning"]
    code = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        code = int(pytest.main([*options, f"--rootdir={folder}", *arguments]))
    finally:
        os._exit(code)


def outcome_of(mutant: Mutant) -> tuple[int, str, float]:
    """Pytest's exit code in a copy with the mutant, what it printed, and the seconds it took."""
    with TemporaryDirectory(prefix="mutant-") as place:
        folder = copy_of_project(Path(place) / "project")
        file = folder / mutant.path
        file.write_text(file.read_text().replace(mutant.right, mutant.wrong))
        log = Path(place) / "log"
        begun = time.monotonic()
        tests = multiprocessing.get_context("fork").Process(
            target=run_tests, args=(folder, mutant.tests.split(), log)
        )
        tests.start()
        tests.join()
        return tests.exitcode or 0, log.read_text(), time.monotonic() - begun


@click.command(help=__doc__)
@click.argument("words", nargs=-1)
@click.option("--processes", default=2, show_default=True, help="How many run at once.")
def main(words: tuple[str, ...], processes: int) -> None:
    """Print a line for each mutant, and the survivors."""
    chosen = [
        each
        for each in mutants()
        if not words or any(word in each.rule or word in each.path for word in words)
    ]
    stale = [each for each in chosen if (ROOT / each.path).read_text().count(each.right) != 1]
    for each in stale:
        click.echo(f"DOES NOT APPLY  {each.rule} ({each.path})")
    chosen = [each for each in chosen if each not in stale]

    def judge(mutant: Mutant) -> str:
        code, printed, seconds = outcome_of(mutant)
        killer = next((line for line in printed.splitlines() if line.startswith("FAILED")), "")
        # 1: a test failed; 5: none was found, which kills nobody
        verdict = {0: "SURVIVED", 1: "killed"}.get(code, f"pytest ended with {code}")
        line = f"{verdict:9} {seconds:5.0f} s  {mutant.rule}  {killer[7:120]}"
        click.echo(line if code in {0, 1} else f"{line}\n{printed[-1500:]}")
        return verdict

    with ThreadPoolExecutor(processes) as pool:
        verdicts = [*pool.map(judge, chosen)]
    survivors = [m.rule for m, v in zip(chosen, verdicts, strict=True) if v != "killed"]
    click.echo(
        f"{len(chosen)} mutants, {len(chosen) - len(survivors)} killed, {len(stale)} do not apply."
    )
    for rule in survivors:
        click.echo(f"SURVIVED: {rule}")
    sys.exit(bool(survivors or stale))


if __name__ == "__main__":
    main()
