"""Compares two snapshots with DuckDB, as snap-diff does: prints the numbers of added, removed and changed names.

Usage: duck.py LEFT RIGHT
"""

import sys

import duckdb

columns = "columns = {name: 'varchar', md5: 'varchar'}, format = 'newline_delimited', compression = 'gzip'"
counts = duckdb.execute(
    f"""select count(*) filter (where l.name is null), count(*) filter (where r.name is null),
               count(*) filter (where l.md5 <> r.md5)
        from read_json(?, {columns}) l full join read_json(?, {columns}) r on l.name = r.name""",
    sys.argv[1:],
)
print(*counts.fetchone())
