"""One piece of work by one peer: peer.py PEER WORK FOLDER OUT [SQL]. The answer is written to OUT as CSV. `peer.py PEER` says whether the peer is there."""
import os
import shutil
import signal
import sys
import tempfile

peer, work, folder, out, sql = (sys.argv[1:] + [""] * 5)[:5]
wide, pageviews, nexmark = (os.path.join(folder, name) for name in ("wide.parquet", "pageviews.parquet", "nexmark.parquet"))
threads = os.cpu_count()

DUCKDB = {
    "keys": "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM wide GROUP BY k HAVING COUNT(*) > 14 ORDER BY k",
    "text-keys": "SELECT s, g, COUNT(*) AS n, CAST(SUM(x) * 1024 AS BIGINT) AS sx FROM wide GROUP BY s, g HAVING COUNT(*) > 75 ORDER BY s, g",
    "distinct": "SELECT h, COUNT(DISTINCT u) AS d FROM wide GROUP BY h HAVING COUNT(DISTINCT u) > 1090 ORDER BY h",
    "top": "SELECT t, k, v FROM wide ORDER BY v DESC, k, t LIMIT 10",
    # The fast way to say a minute: date_trunc goes through the time zone.
    "windows-csv": "SELECT make_timestamp((epoch_us(time) // 60000000) * 60000000) AS window_start, url, COUNT(*) AS views, "
    "SUM(duration_ms) AS duration_ms FROM pageviews GROUP BY ALL ORDER BY window_start, url",
    "windows": "SELECT make_timestamp((epoch_us(time) // 60000000) * 60000000) AS window_start, url, COUNT(*) AS views, "
    "SUM(duration_ms) AS duration_ms FROM pageviews GROUP BY ALL ORDER BY views DESC, window_start, url LIMIT 10",
}


def duckdb_work():
    import duckdb

    if not work:
        return
    db = duckdb.connect(config={"threads": threads})
    db.execute("SET TimeZone = 'UTC'")
    if work == "imported":
        db.execute(f"CREATE VIEW pageviews AS FROM read_parquet('{folder}')")
        query = "SELECT COUNT(*) AS n, SUM(url) AS urls, SUM(duration_ms) AS duration_ms, COUNT(DISTINCT time) AS times FROM pageviews"
    elif work.startswith("import-"):
        # Here the folder is the file, and the answer is a file of its own.
        read = "read_csv" if work == "import-csv" else "read_parquet"
        db.execute(f"COPY (FROM {read}('{folder}')) TO '{out}' (FORMAT parquet)")
        return
    else:
        # Only the files of the works that were asked for are made.
        for name, file in (("wide", wide), ("pageviews", pageviews), ("nexmark", nexmark)):
            if os.path.exists(file):
                db.execute(f"CREATE VIEW {name} AS FROM read_parquet('{file}')")
        # A file has no column of the log's own.
        query = DUCKDB.get(work) or sql.replace("_arrival", "date_time")
    db.execute(f"COPY ({query}) TO '{out}' (FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')")


def polars_work():
    import polars as pl

    if not work:
        return

    def windows():
        minute = pl.col("time").dt.truncate("1m").alias("window_start")
        aggregates = [pl.len().alias("views"), pl.col("duration_ms").sum()]
        return pl.scan_parquet(pageviews).group_by(minute, "url").agg(aggregates)

    def most_viewed():
        return windows().sort(["views", "window_start", "url"], descending=[True, False, False]).limit(10)

    def groups(keys, *aggregates):
        return pl.scan_parquet(wide).group_by(keys).agg(*aggregates)

    n, s = pl.len().alias("n"), pl.col("v").sum().alias("s")
    sx = (pl.col("x").sum() * 1024).cast(pl.Int64).alias("sx")
    plans = {
        "keys": lambda: groups("k", n, s).filter(pl.col("n") > 14).sort("k"),
        "text-keys": lambda: groups(["s", "g"], n, sx).filter(pl.col("n") > 75).sort("s", "g"),
        "distinct": lambda: groups("h", pl.col("u").n_unique().alias("d")).filter(pl.col("d") > 1090).sort("h"),
        "top": lambda: pl.scan_parquet(wide).select("t", "k", "v").sort(["v", "k", "t"], descending=[True, False, False]).limit(10),
        "windows": most_viewed,
        "windows-csv": lambda: windows().sort("window_start", "url"),
    }
    plans[work]().collect(engine="streaming").write_csv(out, datetime_format="%Y-%m-%dT%H:%M:%SZ")


def counted(rows):
    """Writes how many windows there are, and what is in them."""
    (row,) = rows
    with open(out, "w") as file:
        file.write("n,views,duration_ms\n" + ",".join(str(value) for value in row) + "\n")


def end_java():
    """What a process that was waited for has taken counts as its parent's: so does the JVM's time, in which these two work."""
    for child in open(f"/proc/self/task/{os.getpid()}/children").read().split():
        os.kill(int(child), signal.SIGTERM)
        os.waitpid(int(child), 0)


def flink_work():
    from pyflink.common import Configuration
    from pyflink.table import EnvironmentSettings, TableEnvironment

    if shutil.which("java") is None:
        sys.exit("Flink wants Java")
    if not work:
        return
    configuration = Configuration()
    settings = {
        "parallelism.default": threads,
        "taskmanager.numberOfTaskSlots": threads,
        "pipeline.object-reuse": "true",
        "table.local-time-zone": "UTC",
        # Of the figures the last ones are wanted: else each window that closes sends both, one by one, to this Python.
        "table.exec.mini-batch.enabled": "true",
        "table.exec.mini-batch.allow-latency": "10 s",
        "table.exec.mini-batch.size": 10_000_000,
    }
    for name, value in settings.items():
        configuration.set_string(name, str(value))
    flink = TableEnvironment.create(EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build())
    # Its package reads CSV and no Parquet, and both of its threads read parts of the file: their times are hours apart. VIEWS is a word of its SQL.
    flink.execute_sql(
        "CREATE TABLE pageviews (time_us BIGINT, url BIGINT, visitor BIGINT, duration_ms BIGINT, moment AS TO_TIMESTAMP_LTZ(time_us / 1000, 3), "
        "WATERMARK FOR moment AS moment - INTERVAL '99' DAY) "
        f"WITH ('connector' = 'filesystem', 'path' = 'file://{os.path.abspath(folder)}/pageviews-numbers.csv', 'format' = 'csv')"
    )
    answer = flink.execute_sql(
        "SELECT COUNT(*) AS n, SUM(n_views) AS n_views, SUM(duration) AS duration FROM ("
        "SELECT window_start, url, COUNT(*) AS n_views, SUM(duration_ms) AS duration "
        "FROM TABLE(TUMBLE(TABLE pageviews, DESCRIPTOR(moment), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, url)"
    )
    counted(list(answer.collect())[-1:])
    end_java()


def spark_work():
    from pyspark.sql import SparkSession, functions

    if shutil.which("java") is None:
        sys.exit("Spark wants Java")
    if not work:
        return
    builder = SparkSession.builder.master(f"local[{threads}]").config("spark.sql.shuffle.partitions", threads)
    spark = builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "6g").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    # A stream of files is told by a pattern, and its columns by a table of one.
    columns = spark.read.parquet(pageviews).schema
    views = spark.readStream.schema(columns).parquet(f"{pageviews[:-1]}[t]")
    windows = views.groupBy(functions.window("time", "1 minute"), "url").agg(
        functions.count("*").alias("views"), functions.sum("duration_ms").alias("duration_ms")
    )
    answers = []

    def take(batch, _):
        answers.append(batch.agg(functions.count("*"), functions.sum("views"), functions.sum("duration_ms")).first())

    with tempfile.TemporaryDirectory() as checkpoints:
        stream = windows.writeStream.outputMode("update").foreachBatch(take).option("checkpointLocation", checkpoints)
        stream.trigger(availableNow=True).start().awaitTermination()
    counted(answers)
    spark.stop()
    end_java()


{"duckdb": duckdb_work, "polars": polars_work, "flink": flink_work, "spark": spark_work}[peer]()
