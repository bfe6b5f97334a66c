"""The demo: three years of an invented account in PostgreSQL, and three mornings after them.

    python3 demo.py

It needs git's clone, Python 3.11 and a package index. Everything is below this directory:
`.venv/`, `.meltano/`, `.demo/` (the database) and `output/` (the page, and the log of all that
Meltano said). All is installed with uv, which Meltano needs anyway, or with pip if
MELTANO_VENV_BACKEND=virtualenv is set, or pip is told of an index of its own, or uv fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE / ".venv" / ("Scripts" if os.name == "nt" else "bin")
LOG = HERE / "output" / "demo.log"
# Since when the actions in the database were loaded: written once.
SINCE = HERE / ".demo" / "since"
MELTANO = "meltano~=4.0"
MORNINGS = 3
REACH = timedelta(days=3 * 365 - 1)  # what impact.com can be asked for
PLUGINS = (
    ("loader", "target-postgres"),
    ("extractor", "tap-impact-sandbox"),
    ("utility", "database", "report", "dbt-postgres-sandbox"),
)
begun = time.monotonic()


def show(words: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def say(words: str) -> None:
    """Print a line, with the seconds since the demo began."""
    show(f"{time.monotonic() - begun:5.0f} s  {words}")


def run(*command: object, **environment: str) -> str:
    """Run a command; its output goes to the log, and is returned.

    Exits with its last lines if it fails.
    """
    done = attempt(*command, **environment)
    if done.returncode:
        show("\n".join(done.stdout.splitlines()[-20:]))
        sys.exit(f"\nThe demo stopped. All that was said is in {LOG}")
    return done.stdout


def attempt(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command; its output goes to the log."""
    done = subprocess.run(  # noqa: S603
        [str(part) for part in command],
        cwd=HERE,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(map(str, command))}\n{done.stdout}\n")
    return done


def meltano(*arguments: str, **environment: str) -> str:
    """Run Meltano."""
    return run(BIN / "meltano", "--log-format", "uncolored", *arguments, **environment)


def install() -> str:
    """Install Meltano and the plugins; tell with what."""
    pip = (BIN / "python", "-m", "pip", "install", "-q")
    by_uv = (BIN / "uv", "pip", "install", "-q", "--python", BIN / "python")
    is_new = not (BIN / "meltano").exists()
    if is_new:
        run(sys.executable, "-m", "venv", HERE / ".venv")
    # else each run of a command would compile what it imports, where Python keeps no bytecode
    os.environ.setdefault("UV_COMPILE_BYTECODE", "1")
    backends = [os.environ.get("MELTANO_VENV_BACKEND") or preferred_backend(), "virtualenv"]
    if is_new and not (
        # Meltano needs uv anyway, and uv brings the rest in a third of the time
        backends[0] == "uv"
        and attempt(*pip, "uv").returncode == 0
        and attempt(*by_uv, MELTANO).returncode == 0
    ):
        run(*pip, MELTANO)
    say("Meltano is installed")
    for backend in dict.fromkeys(backends):
        os.environ["MELTANO_VENV_BACKEND"] = backend
        done = [attempt(BIN / "meltano", "install", *each) for each in PLUGINS]
        if not any(each.returncode for each in done):
            return "uv" if backend == "uv" else "pip"
    failed = next(each for each in done if each.returncode)
    show("\n".join(failed.stdout.splitlines()[-20:]))
    sys.exit(f"\nThe plugins cannot be installed. All that was said is in {LOG}")


def preferred_backend() -> str:
    """Which installer to use: uv does not know of an index that pip was told of."""
    told = attempt(BIN / "python", "-m", "pip", "config", "list").stdout
    return "virtualenv" if ".index-url=" in told else "uv"


def main() -> None:
    """Install, load, play mornings, draw."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs it may have an older one
        sys.exit("Python 3.11 or newer is needed: python3.11 demo.py")
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    say("No credentials are needed: a sandbox plays impact.com. Installing Meltano ...")
    say(f"The tap, its sandbox, target-postgres, PostgreSQL and dbt are installed by {install()}")
    up = meltano("invoke", "database:start").strip().splitlines()[-1]
    say(up)

    last = datetime.fromisoformat(
        os.environ.get("IMPACT_SANDBOX_AT")
        or datetime.now().astimezone().replace(hour=6, minute=10, second=0).isoformat()
    ).replace(microsecond=0)
    if SINCE.exists():
        mornings, since = [last], SINCE.read_text()
        say(f"Loading what is new until {last:%Y-%m-%d} ...")
    else:
        mornings = [last - timedelta(days=back) for back in range(MORNINGS, -1, -1)]
        since = os.environ.get("TAP_IMPACT_SANDBOX_START_DATE") or (mornings[0] - REACH).isoformat()
        SINCE.write_text(since)
        say(f"Loading the history from {since[:10]} to {mornings[0]:%Y-%m-%d} ...")
    before: list[str] = []
    for morning in mornings:
        at = {"IMPACT_SANDBOX_AT": morning.isoformat()}
        meltano(
            "run",
            "tap-impact-sandbox",
            "target-postgres",
            TAP_IMPACT_SANDBOX_START_DATE=since,
            **at,
        )
        compared = meltano("invoke", "database:compare", "--since", since, *before, **at)
        say(f"{morning:%a %b %d, %H:%M}: {compared.strip().splitlines()[-1]}")
        before = ["--before", morning.isoformat()]

    built = meltano("run", "dbt-postgres-sandbox:build", IMPACT_SANDBOX_AT=last.isoformat())
    totals = [line for line in built.splitlines() if "PASS=" in line][-1]
    say(f"dbt built and tested the models: {totals[totals.index('PASS=') :]}")
    meltano("invoke", "report:sandbox")
    say("The page of the last 30 days is drawn")
    shown = meltano("invoke", "database:show")
    show()
    show(shown.strip()[shown.strip().rindex("\ntap_impact_sandbox.actions\n") :].strip())
    show(
        "\nNext:\n"
        "  open output/report.html\n"
        "  .venv/bin/meltano invoke database:psql     SQL; \\dt shows the tables\n"
        "  .venv/bin/meltano invoke database:stop     the rows stay in .demo/\n"
        "  README.md, Use it on your account"
    )


if __name__ == "__main__":
    main()
