"""What the properties of a record are called: the API's names, as columns of any database."""

from __future__ import annotations

import re

# Where a word begins within a name: `SubId1` has two, `PDFUri` too.
WORD_START = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Words that PostgreSQL, Snowflake, BigQuery, Redshift, DuckDB or Databricks reserves: a column of
# the name would have to be quoted there (the list of reserved words of each).
RESERVED_WORDS = """
aes128 aes256 all allowoverwrite alter analyse analyze and anti any array as asc asof
assert_rows_modified asymmetric at authorization az64 backup between binary blanksasnull both by
bytedict bzip2 case cast check collate collation column comprows compupdate concurrently connect
connection constraint contains copy create credentials cross cube current current_catalog
current_date current_role current_schema current_time current_timestamp current_user
current_user_id default deferrable define deflate defrag delete delta delta32k desc describe
disable distinct do drop else emptyasnull enable encode encrypt encryption end enum escape
except exclude exists explicit extract false fetch following for foreign freeze from full
globaldict256 globaldict64k grant group grouping groups gscluster gzip hash having identity if
ignore ignoreblanklines ignoreheader ilike in increment initially inner insert intersect
interval into is isnull issue join lambda language lateral leading left like limit localtime
localtimestamp lookup lun luns lzo lzop merge minus mostly16 mostly32 mostly8 natural new no not
notnull null nulls of off offline offset oid old on only open or order organization outer over
overlaps parallel partition percent permissions pivot pivot_longer pivot_wider placing preceding
primary proto qualify range raw readratio recover recursive references regexp rejectlog resort
respect restore returning revoke right rlike rollup row rows sample schema select semi
session_user set show similar snapshot some start struct summarize symmetric sysdate system
system_user table tablesample tag tdes text255 text32k then timestamp to top trailing treat
trigger true truncatecolumns try_cast unbounded union unique unnest unpivot update user using
values variadic verbose view wallet when whenever where window with within without
"""
RESERVED = frozenset(RESERVED_WORDS.split())


def snake_case(source: str) -> str:
    """The API's name in snake case: `sub_id1` for `SubId1`."""
    return WORD_START.sub("_", source).replace("-", "_").lower()


def column_name(source: str) -> str:
    """The name of a property: the API's in snake case, with `_` behind a reserved word."""
    name = snake_case(source)
    return f"{name}_" if name in RESERVED else name
