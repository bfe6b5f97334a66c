"""Every stream against the mock that Stoplight Prism makes of impact.com's own OpenAPI files.

Prism checks the queries and answers with the vendor's examples. It needs Node:

    npm install --prefix /tmp/prism @stoplight/prism-cli
    PRISM=/tmp/prism/node_modules/.bin/prism IMPACT_OPENAPI=/path/to/files pytest -m prism

`IMPACT_OPENAPI` names one file, or a folder of them. The account itself is in none, and a job of
the examples never ends: for these alone the stage below answers in place of Prism.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml

from tests.inside import run_inside
from tests.ports import free_port
from tests.runs import all_streams, catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.runs import Run

SPECIFICATION = os.environ.get("IMPACT_OPENAPI", "")
PRISM = shutil.which(os.environ.get("PRISM", "prism"))
pytestmark = [
    pytest.mark.prism,
    pytest.mark.skipif(not (PRISM and SPECIFICATION), reason="needs PRISM and IMPACT_OPENAPI"),
]
STREAMS = all_streams()
ISO = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)")
OUTSIDE = {"account"}
"""Streams whose endpoint is in none of the files."""
RULES_OF_LISTS = (
    b'"Rules":[{"Variable":"ITEM_SKU_LIST","Operator":"IS","Values":["5001"]},'
    b'{"Variable":"PROMO_CODE_LIST","Operator":"IS","Values":["6001"]},'
)
"""The examples of contracts name no exception list."""
UNREAD = {"CampaignTerms"}
"""Fields that no column has: additional_fields keeps them."""


def merged(path: Path) -> dict[str, Any]:
    """One specification of all files; what they call components is told apart by a prefix."""
    whole: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "impact.com", "version": "16"}}
    whole |= {"paths": {}, "components": {}}
    for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
        prefix = re.sub(r"\W", "_", file.stem)
        text = re.sub(r"(#/components/\w+/)", rf"\1{prefix}_", file.read_text())
        part = yaml.safe_load(text)
        whole["paths"] |= part["paths"]
        for kind, named in part.get("components", {}).items():
            kept = whole["components"].setdefault(kind, {})
            kept.update({f"{prefix}_{name}": value for name, value in named.items()})
    return whole


@dataclass
class Stage:
    """The tap's impact.com: Prism behind a clock of its own, and a note of each exchange."""

    prism: str
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    url: str = ""
    answers: list[tuple[str, int, str]] = field(default_factory=list)

    def answer(self, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
        resource, *rest = target.partition("?")[0].strip("/").split("/")[2:] or [""]
        if not resource:
            return 200, b'{"Id":"1","Name":"A publisher","Currency":"USD"}'
        is_file = rest[1:] == ["Download"]
        sent = {k: v for k, v in headers.items() if k in {"Authorization", "IR-Version"}}
        accept = "*/*" if is_file else headers["Accept"]
        found = requests.get(self.prism + target, headers=sent | {"Accept": accept}, timeout=30)
        self.answers.append((target, found.status_code, found.text))
        body = found.content
        if resource == "Contracts":
            body = body.replace(b'"Rules":[', RULES_OF_LISTS)
        if resource == "Jobs":
            click = requests.get(f"{self.prism}/Mediapartners/1/Clicks/1", headers=sent, timeout=30)
            self.answers.append(("/Clicks/1", click.status_code, click.text))
            done = {"Status": "COMPLETED", "RecordsProcessed": "1"}
            answer = {"Clicks": [click.json()]} if is_file else found.json() | done
            body = json.dumps(answer).encode()
        # Prism's word where the vendor gives no example
        return found.status_code, body.replace(b'"string"', b'""')

    def dates(self) -> list[datetime]:
        """All timestamps in the examples that were answered."""
        bodies = (body for target, _, body in self.answers if "/Jobs/" not in target)
        found = {datetime.fromisoformat(text) for body in bodies for text in ISO.findall(body)}
        return sorted(at for at in found if at < datetime.now(UTC))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    assert PRISM is not None
    file = tmp_path_factory.mktemp("prism") / "openapi.json"
    file.write_text(
        json.dumps(merged(Path(SPECIFICATION)), default=lambda value: value.isoformat())
    )
    port = free_port()
    command = [PRISM, "mock", "--host", "127.0.0.1", "--port", str(port), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as prism:
        assert prism.stdout is not None
        assert any("Prism is listening" in line for line in prism.stdout)
        Thread(target=prism.stdout.read, daemon=True).start()
        with serving(Stage(f"http://127.0.0.1:{port}")) as running:
            yield running
        prism.terminate()


@contextmanager
def serving(stage: Stage) -> Iterator[Stage]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            status, body = stage.answer(self.path, dict(self.headers.items()))
            self.send_response_only(status)
            self.send_header("Date", format_datetime(stage.now, usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stage.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield stage
    finally:
        server.shutdown()
        server.server_close()


def load(stage: Stage, stream: str) -> Run:
    """Load a stream at a time at which what its examples tell has just happened."""
    config: dict[str, Any] = {
        "account_sid": "IRmock",
        "auth_token": "a-token",
        "api_url": stage.url,
        "click_exports_per_day": 1,
    }
    stage.now, stage.answers = datetime.now(UTC), []
    run = run_inside(config, catalog=catalog(stream))
    if dates := stage.dates():
        stage.now, stage.answers = (dates[-1] + timedelta(days=2)).astimezone(UTC), []
        config["start_date"] = (dates[0] - timedelta(days=1)).isoformat()
        config["click_start_date"] = dates[0].date().isoformat()
        run = run_inside(config, catalog=catalog(stream))
    return run


@pytest.mark.parametrize("stream", STREAMS)
def test_every_query_is_valid_and_every_example_loads(stage: Stage, stream: str) -> None:
    run = load(stage, stream)
    assert [answer for answer in stage.answers if answer[1] not in {200, 202}] == []
    assert run.exit_code == 0, run.stderr
    assert stage.answers or stream in OUTSIDE
    records = run.records(stream)
    assert records
    kept = [record.get("additional_fields") or {} for record in records]
    assert {name for fields in kept for name in fields} <= UNREAD
