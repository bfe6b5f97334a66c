from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import requests
from impact_sandbox.files import BRAND_COLUMNS, flat
from impact_sandbox.switches import SCOPES

from tests.sandbox.client import ask

if TYPE_CHECKING:
    from impact_sandbox.server import Sandbox

    from tests.conftest import SandboxFactory

NOW = datetime(2026, 6, 30, 6, 10, tzinfo=UTC)
DAY = "2026-06-20"
DONE: dict[str, Any] = {"job_life": ["COMPLETED"]}


def export(sandbox: Sandbox, day: str = DAY, **query: Any) -> dict[str, Any]:
    reply = ask(sandbox, "/ClickExport", Date=day, **{"ResultFormat": "JSON", **query})
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


def content(sandbox: Sandbox, **query: Any) -> bytes:
    reply = export(sandbox, **query)
    return ask(sandbox, reply["ResultUri"], Mode="Stream").content


def statuses(sandbox: Sandbox, reply: dict[str, str], looks: int) -> list[str]:
    return [ask(sandbox, reply["QueuedUri"]).json()["Status"] for _ in range(looks)]


def truth(sandbox: Sandbox, day: str = DAY) -> list[dict[str, Any]]:
    """The clicks, with sub ids as files have them if nothing else is said: flat."""
    return [flat(click) for click in sandbox.world.clicks(date.fromisoformat(day), sandbox.at)]


def test_from_queue_to_file(sandbox: SandboxFactory) -> None:
    running = sandbox()
    reply = export(running)
    assert reply["Status"] == "QUEUED"
    early = ask(running, reply["ResultUri"])
    assert (early.status_code, early.json()["Status"]) == (202, "RUNNING")
    assert early.json()["CompletedDate"] == ""
    done = ask(running, reply["QueuedUri"]).json()
    assert (done["Status"], done["Replayable"], done["Type"]) == (
        "COMPLETED",
        "true",
        "ClickExport",
    )
    assert all(isinstance(value, str) for value in done.values())
    assert done["RecordsProcessed"] == str(len(truth(running)))
    redirect = ask(running, reply["ResultUri"])
    assert redirect.status_code == 302
    location = redirect.headers["Location"]
    assert location.startswith(running.files_url)
    assert running.files_url != running.url
    assert requests.get(location, timeout=10).json() == {"Clicks": truth(running)}
    assert [seen.authorized for seen in running.file_requests] == [False]


def test_the_body_of_a_redirect_is_a_page_that_holds_the_link(sandbox: SandboxFactory) -> None:
    running = sandbox(**DONE)
    redirect = ask(running, export(running)["ResultUri"])
    assert redirect.headers["Content-Type"].startswith("text/html")
    assert f'href="{escape(redirect.headers["Location"])}"' in redirect.text


def test_clicks_of_today_are_answered(sandbox: SandboxFactory) -> None:
    running = sandbox(**DONE)
    clicks = truth(running, "2026-06-29")  # it is still evening in the account's own time zone
    assert json.loads(content(running, day="2026-06-29"))["Clicks"] == clicks
    assert 0 < len(clicks) < running.world.click_count(date(2026, 6, 29))


def test_files_are_as_they_were_seen_live_or_as_they_are_documented(
    sandbox: SandboxFactory,
) -> None:
    rows = json.loads(content(sandbox(**DONE)))["Clicks"]
    assert {"SubId1", "SubId2", "SubId3", "ProgramName"} <= rows[0].keys()
    assert {len(row["Id"]) for row in rows} == {39}
    assert {"Safari", "Chrome Mobile", "null"} <= {row["Browser"] for row in rows}
    assert "iOS" in {row["Os"] for row in rows}
    assert "California" in {row["CustomerRegion"] for row in rows}
    documented = json.loads(content(sandbox(**DONE, click_words="documented")))["Clicks"]
    assert {"SAFARI", "CHROME_MOBILE", "null"} <= {row["Browser"] for row in documented}
    assert "IOS" in {row["Os"] for row in documented}


def test_the_host_of_files_refuses_credentials_and_old_links(sandbox: SandboxFactory) -> None:
    running = sandbox(**DONE)
    location = ask(running, export(running)["ResultUri"]).headers["Location"]
    credentials = running.world.account_sid, running.world.auth_token
    assert requests.get(location, auth=credentials, timeout=10).status_code == 400
    assert [seen.authorized for seen in running.file_requests] == [True]
    assert requests.get(location[:-1], timeout=10).status_code == 403
    running.advance(60)
    assert requests.get(location, timeout=10).status_code == 200
    running.advance(1)
    assert requests.get(location, timeout=10).status_code == 403
    assert requests.get(running.files_url + "/files/x", timeout=10).status_code == 404


def test_the_same_parameters_are_the_same_job_with_its_old_data(sandbox: SandboxFactory) -> None:
    running = sandbox(**DONE, daily_click_exports=3)
    running.set_time(datetime(2026, 6, 20, 20, tzinfo=UTC))
    first = export(running)
    before = truth(running)
    running.advance(4 * 3600 - 1)
    assert export(running) == first
    assert ask(running, first["ResultUri"], Mode="Stream").json()["Clicks"] == before
    assert len(truth(running)) > len(before)
    assert export(running, ResultFormat="CSV") != first
    assert ask(running, "/ClickExport", Date=DAY, ResultFormat="JSON").status_code == 429
    running.advance(1)
    replayed = ask(running, first["ReplayUri"], method="PUT")
    assert (replayed.status_code, replayed.json()["Status"]) == (200, "QUEUED")
    assert statuses(running, first, 2) == ["RUNNING", "COMPLETED"]
    assert ask(running, first["ResultUri"], Mode="Stream").json()["Clicks"] == truth(running)


def test_ten_exports_a_day(sandbox: SandboxFactory) -> None:
    running = sandbox()
    answers = [ask(running, "/ClickExport", Date=f"2026-06-{n:02}") for n in range(1, 12)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    last = answers[-1].headers
    assert last["Retry-After"] == str(17 * 3600 + 50 * 60)
    assert (last["X-RateLimit-Limit-day"], last["X-RateLimit-Remaining-day"]) == ("10", "0")
    assert answers[0].headers["X-RateLimit-Remaining-day"] == "9"
    assert len(running.jobs.all) == 10
    running.set_time(datetime(2026, 7, 1, tzinfo=UTC))
    assert ask(running, "/ClickExport", Date="2026-06-11").status_code == 200


@pytest.mark.parametrize(
    ("life", "seen"),
    [
        pytest.param(["COMPLETED"], ["COMPLETED"], id="at once"),
        pytest.param(
            ["QUEUED", "ERROR", "RUNNING", "COMPLETED"],
            ["ERROR", "RUNNING", "COMPLETED", "COMPLETED"],
            id="error, then completed",
        ),
        pytest.param(["QUEUED", "FAILED"], ["FAILED", "FAILED"], id="failed"),
        pytest.param(["QUEUED", "CANCELLED"], ["CANCELLED"], id="cancelled"),
        pytest.param(["QUEUED"] + ["RUNNING"] * 5, ["RUNNING"] * 7, id="never"),
    ],
)
def test_lives(sandbox: SandboxFactory, life: list[str], seen: list[str]) -> None:
    running = sandbox(job_life=life, replay_life=["QUEUED", "COMPLETED"])
    reply = export(running)
    assert reply["Status"] == life[0]
    assert statuses(running, reply, len(seen)) == seen
    download = ask(running, reply["ResultUri"])
    assert download.status_code == (302 if seen[-1] == "COMPLETED" else 202)
    replay = ask(running, reply["ReplayUri"], method="PUT")
    assert replay.status_code == (403 if seen[-1] == "RUNNING" else 200)
    if seen[-1] == "FAILED":
        assert download.json()["FailedDate"]
        assert statuses(running, reply, 1) == ["COMPLETED"]
        assert ask(running, reply["ResultUri"]).status_code == 302


def test_a_job_that_takes_its_time(sandbox: SandboxFactory) -> None:
    running = sandbox(job_seconds=3600)
    reply = export(running)
    assert statuses(running, reply, 4) == ["RUNNING"] * 4
    running.advance(3600)
    assert statuses(running, reply, 1) == ["COMPLETED"]


def test_jobs_are_listed_and_kept_for_ninety_days(sandbox: SandboxFactory) -> None:
    running = sandbox()
    first, second = export(running), export(running, "2026-06-21")
    ids = [job["Id"] for job in ask(running, "/Jobs").json()["Jobs"]]
    assert ids == [reply["QueuedUri"].rpartition("/")[2] for reply in (second, first)]
    assert ask(running, "/Jobs", CreatedAfter="2026-06-30").json()["Jobs"] == []
    assert len(ask(running, "/Jobs", CreatedAfter="2026-06-29").json()["Jobs"]) == 2
    assert ask(running, "/Jobs", CreatedBefore="2026-06-28").json()["Jobs"] == []
    assert ask(running, "/Jobs", CreatedBefore="now").status_code == 400
    assert ask(running, "/Jobs/nothing").status_code == 404
    assert ask(running, "/Jobs/nothing/Download").status_code == 404
    running.advance(timedelta(days=91).total_seconds())
    assert ask(running, first["QueuedUri"]).status_code == 404


@pytest.mark.parametrize(
    "query",
    [{"Date": "20.06.2026"}, {"Date": "2026-02-30"}, {"ResultFormat": "PDF"}, {"UniqueClick": "x"}],
)
def test_refused(sandbox: SandboxFactory, query: dict[str, Any]) -> None:
    assert ask(sandbox(), "/ClickExport", **query).status_code == 400


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["object", "list", "lines"])
@pytest.mark.parametrize("nesting", ["list", "object", "flat"])
@pytest.mark.parametrize("squeezed", [False, True])
def test_json_files(sandbox: SandboxFactory, shape: str, nesting: str, *, squeezed: bool) -> None:
    running = sandbox(
        **DONE,
        clicks_per_day=700,
        export_shape=shape,
        export_nesting=nesting,
        export_gzip=squeezed,
    )
    file = content(running)
    if squeezed:
        assert file[:2] == b"\x1f\x8b"
        file = gzip.decompress(file)
    if shape == "lines":
        rows = [json.loads(line) for line in file.splitlines()]
    else:
        rows = json.loads(file)
        rows = rows["Clicks"] if shape == "object" else rows
    clicks = list(running.world.clicks(date.fromisoformat(DAY), running.at))
    partner = clicks[0]["PartnerRelated"]
    if nesting == "flat":
        assert rows == truth(running)
    else:
        assert rows[0]["PartnerRelated"] == (partner if nesting == "list" else partner[0])
    assert [row["Id"] for row in rows] == [click["Id"] for click in clicks]


def test_csv_file(sandbox: SandboxFactory) -> None:
    running = sandbox(**DONE)
    file = content(running, ResultFormat="CSV")
    rows = list(csv.DictReader(io.StringIO(file.decode(), newline="")))
    assert rows == truth(running)
    assert set(BRAND_COLUMNS) < rows[0].keys()
    assert file.startswith(b'"Id","ProgramId"')


def test_xml_file(sandbox: SandboxFactory) -> None:
    running = sandbox(**DONE)
    clicks = ET.fromstring(content(running, ResultFormat="XML")).findall("Clicks/Click")  # noqa: S314
    assert [click.findtext("Id") for click in clicks] == [row["Id"] for row in truth(running)]


@pytest.mark.parametrize(
    ("result_format", "switches", "file"),
    [
        ("JSON", {}, b'{"Clicks":[]}'),
        ("JSON", {"export_shape": "list"}, b"[]"),
        ("JSON", {"empty_export": "nothing"}, b""),
        ("JSON", {"export_shape": "lines"}, b""),
    ],
)
def test_empty_day(
    sandbox: SandboxFactory,
    result_format: str,
    switches: dict[str, Any],
    file: bytes,
) -> None:
    running = sandbox(**DONE, **switches)
    assert content(running, day="2025-12-31", ResultFormat=result_format) == file
    header = content(running, day="2025-12-31", ResultFormat="CSV").decode().splitlines()
    assert len(header) == 1


def test_filters(sandbox: SandboxFactory) -> None:
    running = sandbox(**DONE)
    file = content(running, UniqueClick="TRUE", ProgramId=["2001", "2044"])
    rows = json.loads(file)["Clicks"]
    wanted = [
        row
        for row in truth(running)
        if row["UniqueClick"] == "true" and row["ProgramId"] in {"2001", "2044"}
    ]
    assert rows == wanted
    assert 0 < len(rows) < len(truth(running))


def test_clicks_in_the_reply(sandbox: SandboxFactory) -> None:
    running = sandbox(click_export="sync")
    assert export(running)["Clicks"] == truth(running)
    text = ask(running, "/ClickExport", Date=DAY)
    assert text.headers["Content-Type"] == "text/csv"
    assert text.headers["X-RateLimit-Remaining-day"] == "8"


@pytest.mark.parametrize("scope", ["Retrieve job", "Download export jobs", "Retrieve click"])
def test_scopes(sandbox: SandboxFactory, scope: str) -> None:
    running = sandbox(scopes=SCOPES - {scope})
    reply = export(running)
    click = truth(running)[0]["Id"]
    answers = {
        "Retrieve job": ask(running, reply["QueuedUri"]),
        "Download export jobs": ask(running, reply["ResultUri"]),
        "Retrieve click": ask(running, f"/Clicks/{click}"),
    }
    assert {name for name, answer in answers.items() if answer.status_code == 403} == {scope}


def test_one_click(sandbox: SandboxFactory) -> None:
    running = sandbox()
    rows = truth(running)
    found = ask(running, f"/Clicks/{rows[0]['Id']}").json()
    assert found["CampaignId"] == rows[0]["ProgramId"]
    assert "ProgramId" not in found
    ids = [row["Id"] for row in rows]
    several = next(name for name in ids if ids.count(name) > 1)
    assert isinstance(ask(running, f"/Clicks/{several}").json(), dict)
    running.switch(several_clicks="list")
    assert len(ask(running, f"/Clicks/{several}").json()) == ids.count(several)
    assert ask(running, "/Clicks/unknown").status_code == 404
