"""Lists the tap as Meltano Hub does, from what the tap says about itself.

    python -m hub.listing write    # hub/tap-impact.yml, and the extractor of meltano.yml
    python -m hub.listing serve    # a Meltano Hub on this machine, with this one plugin

The settings are declared in tap_impact/settings.py alone; nothing of them is repeated here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import indent
from typing import Any

import click
import yaml

from tap_impact.inspect.cli import cli as inspector

ROOT = Path(__file__).parent.parent
LISTING = ROOT / "hub" / "tap-impact.yml"
PROJECT = ROOT / "meltano.yml"
TAP = Path(sys.executable).with_name("tap-impact")

# The extractor in meltano.yml: from its name to the blank line before what comes next.
EXTRACTOR = re.compile(r"^  - name: tap-impact\n.*?(?=\n\n)", re.DOTALL | re.MULTILINE)

KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "object": "object",
    "string": "string",
}

# Settings of the SDK: for a package that the tap does not bring; declared since 0.55 alone.
UNLISTED = {"faker_config", "emit_activate_version_messages"}

# Settings of the SDK whose words change from one of its versions to the next.
WORDING = {
    "batch_config": {
        "title": "Batch files",
        "description": "Where and how rows are written to files, for loaders of BATCH messages.",
    }
}

# What the Hub's pages show and its API leaves out (schemas/api/extractors.schema.json of the Hub).
PAGE = {
    "maintenance_status": "active",
    "quality": "unknown",  # the Hub's maintainers rate it
    "domain_url": "https://impact.com",
    "keywords": ["affiliate", "api", "meltano_sdk"],
    "prereq": (
        "A token of your impact.com partner account: *Settings > Technical > API*, with the scopes "
        "*Retrieve actions* and *Retrieve action updates*, and as many others as you want streams."
    ),
    "next_steps": (
        "Streams that cost a request for each action or campaign, or that few accounts have, are "
        "not selected; `meltano select --list --all tap-impact` names them. A definition added "
        "with `--from-ref` comes without that selection, so that all are: leave them out as "
        "docs/project.md says."
    ),
}


def listing() -> dict[str, Any]:
    """The plugin's definition, as the Hub keeps it."""
    about = said("--about", "--format=json")
    return {
        "name": about["name"],
        "namespace": "tap_impact",
        "variant": "partner",
        "label": "impact.com (partner)",
        "description": (
            "Actions, clicks and what gives them meaning, of a partner account at impact.com."
        ),
        "logo_url": "/assets/logos/extractors/impact.png",
        "pip_url": "tap-impact-partner",
        "executable": about["name"],
        "supported_python_versions": about["supported_python_versions"],
        "log_parser": "singer-sdk",
        "capabilities": sorted(about["capabilities"]),
        "commands": {
            name: {
                "args": name,
                "executable": "tap-impact-inspect",
                "description": command.get_short_help_str(limit=200),
            }
            for name, command in inspector.commands.items()
        },
        "select": ["*.*", *(f"!{stream}.*" for stream in left_out())],
        "settings_group_validation": [about["settings"]["required"]],
        "settings": [
            setting(name, schema | WORDING.get(name, {}))
            for name, schema in about["settings"]["properties"].items()
            if name not in UNLISTED
        ],
        **PAGE,
    }


def left_out() -> list[str]:
    """The streams that are loaded only when somebody asks for them."""
    return [
        stream["tap_stream_id"]
        for stream in said("--discover")["streams"]
        for entry in stream["metadata"]
        if not entry["breadcrumb"] and entry["metadata"].get("selected-by-default") is False
    ]


def said(*options: str) -> dict[str, Any]:
    """What the tap prints, as JSON."""
    done = subprocess.run([TAP, *options], capture_output=True, text=True, check=True)  # noqa: S603
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A setting as Meltano knows it, from its JSON schema.

    The kind is always said: the Hub's own tools would guess a password from a name with "id" in it.
    """
    (json_type,) = {*schema["type"]} - {"null"}
    dated = schema.get("format") == "date-time"
    found = {
        "name": name,
        "kind": "date_iso8601" if dated else KINDS[json_type],
        "label": schema["title"],
        "description": schema["description"],
    }
    if "default" in schema:
        found["value"] = schema["default"]
    if schema.get("secret"):
        found["sensitive"] = True
    return found


def as_yaml(content: object, *, sort_keys: bool = False) -> str:
    """YAML with lists as Meltano writes them; in the order given, unless it is to be sorted."""
    return yaml.safe_dump(content, sort_keys=sort_keys, allow_unicode=True, width=96)


def files() -> dict[Path, str]:
    """Every file that says what the tap says about itself, and what is to be in it."""
    listed = listing()
    local = {key: value for key, value in listed.items() if key not in {"logo_url", *PAGE}}
    extractor = indent(as_yaml([local | {"pip_url": "-e '$IMPACT_CLONE'"}]), "  ").rstrip()
    project, found = EXTRACTOR.subn(lambda _: extractor, PROJECT.read_text())
    if found != 1:
        raise click.ClickException(f"{PROJECT.name} has no extractor tap-impact.")
    # the Hub's own check of its files asks for keys in the order of the alphabet
    return {LISTING: as_yaml(listed, sort_keys=True), PROJECT: project}


class Hub(BaseHTTPRequestHandler):
    """The two answers of the Hub's API that `meltano add` asks for."""

    def do_GET(self) -> None:
        """Answer with the index of a type of plugins, or with the plugin."""
        listed = yaml.safe_load(LISTING.read_text())
        plugins = "/meltano/api/v1/plugins"
        plugin = f"{plugins}/extractors/{listed['name']}--{listed['variant']}"
        index = {
            listed["name"]: {
                "default_variant": listed["variant"],
                "logo_url": listed["logo_url"],
                "variants": {listed["variant"]: {"ref": f"http://{self.headers['Host']}{plugin}"}},
            }
        }
        answers = {
            f"{plugins}/extractors/index": index,
            plugin: {key: value for key, value in listed.items() if key not in PAGE},
        }
        empty: dict[str, Any] | None = {} if self.path.endswith("/index") else None
        answer = answers.get(self.path, empty)
        body = json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@click.group()
def cli() -> None:
    """List the tap as Meltano Hub does."""


@cli.command()
def write() -> None:
    """Write hub/tap-impact.yml and the extractor of meltano.yml."""
    for path, content in files().items():
        path.write_text(content)


@cli.command()
@click.option("--port", default=0, help="Port on loopback; a free one if not given.")
def serve(port: int) -> None:
    """Be a Meltano Hub with this one plugin, until interrupted."""
    with ThreadingHTTPServer(("127.0.0.1", port), Hub) as server:
        click.echo(f"export MELTANO_HUB_URL=http://127.0.0.1:{server.server_port}")
        server.serve_forever()


if __name__ == "__main__":
    cli()
