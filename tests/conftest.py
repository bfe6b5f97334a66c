from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol
from unittest import mock

import pytest
import requests
from click.testing import CliRunner
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from impact_sandbox import database
from impact_sandbox.server import Sandbox
from impact_sandbox.world import World

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
# A proxy is not for loopback; that it is said spares requests a long look at the environment.
os.environ["no_proxy"] = "127.0.0.1"
# As pip does, but in a third of the time; Meltano brings it.
os.environ.setdefault("MELTANO_VENV_BACKEND", "uv")
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")
# How long an example takes, or drawing one, says how busy the machine is, not what the tap does.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")
WORLD_OPTIONS = {
    "seed",
    "actions_per_day",
    "clicks_per_day",
    "opened",
    "timezone",
    "currency",
    "reattributed",
}


def pytest_collection_finish() -> None:
    """Let the garbage collector look no more at modules and tests, which stay to the end."""
    gc.collect()
    gc.freeze()


@cache
def world_of(**options: Any) -> World:
    """An account, the same for all tests that want such a one: to draw it anew takes time."""
    usual: dict[str, Any] = {
        "opened": date(2026, 1, 1),
        "actions_per_day": 10,
        "clicks_per_day": 100,
    }
    return World(**usual | options)


class SandboxFactory(Protocol):
    def __call__(
        self,
        *,
        at: datetime | None = ...,
        world: World | None = ...,
        **options: Any,
    ) -> Sandbox: ...


@pytest.fixture
def sandbox() -> Iterator[SandboxFactory]:
    """Start sandboxes: options are those of World and of Sandbox; all end with the test."""
    with ExitStack() as stack:

        def start(
            *,
            at: datetime | None = datetime(2026, 6, 30, 6, 10, tzinfo=UTC),
            world: World | None = None,
            **options: Any,
        ) -> Sandbox:
            imagined = {name: options.pop(name) for name in WORLD_OPTIONS & options.keys()}
            return stack.enter_context(Sandbox(world or world_of(**imagined), at=at, **options))

        yield start


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder for what PostgreSQL reads.

    It is not below pytest's own: that is closed to others whenever a pytest starts, and so to the
    user that PostgreSQL runs as in place of root.
    """
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def database_port(open_folder: Path) -> Iterator[int]:
    """The port of a PostgreSQL that pip installed, on loopback."""
    port = free_port()
    options = ["--port", str(port), "--data-dir", str(open_folder / "postgres")]
    started = CliRunner().invoke(database.cli, ["start", *options])
    assert started.exit_code == 0, started.output
    yield port
    CliRunner().invoke(database.cli, ["stop", *options])


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket in a stand-in for S3, which the tap and the loader find in the environment."""
    # imported by the few tests that ask for it, since that takes a second
    import s3fs  # noqa: PLC0415
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        # what the one before it held is the whole process's
        requests.post(f"{url}/moto-api/reset", timeout=60).raise_for_status()
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stand-in")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "stand-in")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("lake")
        yield "s3://lake/impact"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def as_published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which pip takes the package's published name for a wheel of this tree.

    This tree itself is out of Python's sight there.
    """
    folder = tmp_path_factory.mktemp("published")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    constraint = folder / "constraints.txt"
    constraint.write_text(f"tap-impact-partner @ {wheel.as_uri()}\n")
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return outside | {"PIP_CONSTRAINT": str(constraint)}


class Warehouse:
    """A schema of a real PostgreSQL, and the loader that fills it."""

    def __init__(self, port: int, schema: str) -> None:
        self.port = port
        self.schema = schema
        self.connection = database.connect(port)

    def load(self, messages: str, **settings: Any) -> None:
        """Load Singer messages with target-postgres, set up as in meltano.yml."""
        # imported late, since that takes a second
        from target_postgres.connector import PostgresConnector  # noqa: PLC0415
        from target_postgres.target import TargetPostgres  # noqa: PLC0415

        config = {
            "host": database.HOST,
            "port": self.port,
            "user": database.ROLE,
            "password": "unused",
            "database": database.DATABASE,
            "default_target_schema": self.schema,
            "use_copy": True,
            "validate_records": False,
        }
        create = PostgresConnector.create_engine
        with ExitStack() as connections:

            def create_engine(connector: PostgresConnector) -> Any:
                """Close its connections with the run, as the end of a process would."""
                engine = create(connector)
                connections.callback(engine.dispose)
                return engine

            connections.enter_context(
                mock.patch.object(PostgresConnector, "create_engine", create_engine)
            )
            TargetPostgres(config=config | settings).listen(io.StringIO(messages))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a query; tables are those of the schema."""
        self.connection.rollback()
        self.connection.execute(f"SET search_path TO {self.schema}")
        return self.connection.execute(statement).fetchall()


@pytest.fixture
def warehouse(database_port: int, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """An empty schema of its own for a test."""
    schema = "".join(c if c.isalnum() else "_" for c in request.node.name.lower())[:60]
    warehouse = Warehouse(database_port, schema)
    yield warehouse
    warehouse.connection.close()
