"""The dbt package for databases that no test can reach: compiled by dbt's adapters, and parsed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.dbt import REQUIREMENTS, Dbt, installed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ADAPTERS = ("dbt-snowflake>=1.10,<1.12", "dbt-bigquery>=1.10,<1.12", "dbt-redshift>=1.10,<1.12")
PARSE = """
import pathlib, sys, sqlglot
for file in pathlib.Path(sys.argv[2]).rglob("*.sql"):
    (statement,) = sqlglot.parse(file.read_text(), dialect=sys.argv[1])
    print(file.stem)
"""
# What another database calls a type or a clause.
FOREIGN = {
    "snowflake": ("timestamptz", "at time zone"),
    "bigquery": ("timestamptz", "at time zone", "varchar", "double precision", "except select"),
    "redshift": ("timestamp_tz", "float64"),
}


def profile(database: str) -> dict[str, Any]:
    """Credentials of nobody; BigQuery's client wants a key, whosever it is."""
    nobody = {"user": "x", "password": "x"}
    if database == "snowflake":
        return {"account": "x", "database": "d", "warehouse": "w", "schema": "s", **nobody}
    if database == "redshift":
        return {"host": "127.0.0.1", "port": 9, "dbname": "d", "schema": "s", **nobody}
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key_file = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "x",
        "private_key": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode(),
        "client_email": "x@p.example",
        "client_id": "1",
        "token_uri": "https://127.0.0.1:9/token",
    }
    method = {"method": "service-account-json", "keyfile_json": key_file}
    return {**method, "project": "p", "schema": "s"}


@pytest.mark.parametrize("database", FOREIGN)
def test_the_models_compile_and_parse(database: str, tmp_path: Path) -> None:
    programs = installed("dbt-of-warehouses", (REQUIREMENTS[0], *ADAPTERS, "sqlglot>=26"))
    dbt = Dbt(tmp_path, {"type": database, **profile(database)}, programs)
    name = {"impact_connection_names": {"us": "Ann's shop"}}
    compiled = dbt.run("compile", "--no-introspect", "--no-populate-cache", **name)
    assert compiled.returncode == 0, compiled.stdout
    folder = tmp_path / "target" / "compiled"
    parsed = subprocess.run(
        [programs / "python", "-c", PARSE, database, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stderr
    assert {"impact_daily_performance", "impact_forecasts", "impact_alerts"} <= {
        *parsed.stdout.split()
    }
    for file in folder.rglob("models/*.sql"):
        sql = file.read_text().lower()
        assert not [word for word in FOREIGN[database] if word in sql], file.name
