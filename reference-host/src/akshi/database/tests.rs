//! SQL of agents: what comes back, what is refused, what is bounded.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;

struct Bench {
    database: Database,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("agent").join("database.db");
        Self {
            database: Database::new(path, false, &limits),
            directory,
        }
    }

    async fn query(&self, sql: &str) -> Result<String, String> {
        self.database.query(sql).await.map_err(|e| e.to_string())
    }

    async fn execute(&self, sql: &str) -> Result<u64, String> {
        self.database.execute(sql).await.map_err(|e| e.to_string())
    }

    async fn done(&self, sql: &str) -> u64 {
        self.execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn rows(&self, sql: &str) -> String {
        self.query(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

#[tokio::test]
async fn rows_are_json_without_loss() {
    let bench = Bench::new();
    let mut shown = String::new();
    for sql in [
        "SELECT 1 WHERE 0",
        "SELECT NULL AS a, -9223372036854775808 AS b, 9223372036854775807 AS c, 9007199254740993 AS d",
        "SELECT 1.0 AS a, 1 AS b, 1.5 AS c, 1e308 AS d, -0.0 AS e, 0.1 + 0.2 AS f, 5e-324 AS g",
        "SELECT 9e999 AS a, -9e999 AS b, 9e999 - 9e999 AS nan",
        "SELECT 'é' || char(0) || '\"\\' || char(10) AS a, '' AS b, X'' AS c, X'00FF' AS d",
        "SELECT CAST(X'41FF' AS TEXT) AS a, CAST(X'C3A9' AS TEXT) AS b",
        "SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a",
        "SELECT 1 AS a, 2 AS a, 3 AS \"a:1\", 4 AS \"\", 5 AS \"\"",
        "VALUES (1, 'x'), (2, 'y')",
        "SELECT '{\"blob\":\"00\"}' AS looks_like",
        "-- a comment\nSELECT 1 AS a; -- another\n",
        "PRAGMA user_version",
    ] {
        let rows = bench.rows(sql).await;
        serde_json::from_str::<serde_json::Value>(&rows).expect("JSON");
        shown.push_str(&format!("{sql}\n    {rows}\n"));
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn every_value_reads_back() {
    let bench = Bench::new();
    bench.done("CREATE TABLE t (a)").await;
    let numbers = [
        0.1,
        1e-310,
        f64::MAX,
        f64::MIN_POSITIVE,
        123_456_789.123_456_79,
    ];
    for number in numbers {
        bench
            .done(&format!("INSERT INTO t VALUES ({number:e})"))
            .await;
    }
    let rows = bench.rows("SELECT a FROM t").await;
    let rows = rows.trim_matches(['[', ']']).split(',');
    for (row, number) in rows.zip(numbers) {
        let text = row.trim_start_matches("{\"a\":").trim_end_matches('}');
        assert_eq!(text.parse(), Ok(number), "{row}");
    }
}

#[tokio::test]
async fn what_is_refused_says_why_and_changes_nothing() {
    let bench = Bench::new();
    bench.done("CREATE TABLE t (a)").await;
    bench.done("CREATE INDEX i ON t (a)").await;
    bench.done("INSERT INTO t VALUES (1)").await;
    let outside = bench.directory.path().join("outside.db");
    let outside = outside.to_str().expect("a path");
    let attach = format!("ATTACH '{outside}' AS o");
    let into = format!("VACUUM INTO '{outside}'");
    let mut shown = String::new();
    for sql in [
        "",
        " -- nothing\n;",
        "SELECT 1; DELETE FROM t",
        "SELECT 1; garbage",
        "SELECT\0 1",
        "SELEC 1",
        "SELECT * FROM missing",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('simple')",
        attach.as_str(),
        "ATTACH NULL AS o",
        "DETACH main",
        "VACUUM",
        into.as_str(),
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA max_page_count = 1000000000",
        "PRAGMA temp_store_directory = '/'",
        "PRAGMA database_list",
        "UPDATE sqlite_schema SET sql = NULL",
        "CREATE VIRTUAL TABLE v USING dbstat",
    ] {
        for (name, answer) in [
            ("query", bench.query(sql).await.map(|_| ())),
            ("execute", bench.execute(sql).await.map(|_| ())),
        ] {
            let error = answer.expect_err(sql);
            assert!(!error.is_empty(), "{sql}");
            let sql = sql.replace(outside, "OUTSIDE");
            shown.push_str(&format!("{name} {sql:?}\n    {error}\n"));
        }
    }
    for sql in [
        "INSERT INTO t VALUES (2)",
        "UPDATE t SET a = 2",
        "DELETE FROM t",
        "DELETE FROM t RETURNING a",
        "REPLACE INTO t VALUES (2)",
        "CREATE TABLE u (a)",
        "CREATE TEMP TABLE u (a)",
        "DROP TABLE t",
        "ALTER TABLE t RENAME TO u",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "SAVEPOINT s",
        "COMMIT",
        "PRAGMA user_version = 7",
        "PRAGMA foreign_keys = OFF",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "EXPLAIN DELETE FROM t",
    ] {
        let error = bench.query(sql).await.expect_err(sql);
        shown.push_str(&format!("query {sql:?}\n    {error}\n"));
    }
    insta::assert_snapshot!(shown);
    assert_eq!(bench.rows("SELECT a FROM t").await, r#"[{"a":1}]"#);
    assert_eq!(
        bench.rows("PRAGMA user_version").await,
        r#"[{"user_version":0}]"#
    );
    assert!(!std::path::Path::new(outside).exists());
}

#[tokio::test]
async fn execute_counts_its_own_rows_only() {
    let bench = Bench::new();
    for (sql, rows) in [
        ("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", 0),
        ("CREATE TABLE log (a)", 0),
        (
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1), (2); END",
            0,
        ),
        ("INSERT INTO t (b) VALUES (1), (2), (3)", 3),
        ("CREATE INDEX i ON t (b)", 0),
        ("UPDATE t SET b = 0 WHERE b > 1", 2),
        ("DELETE FROM t WHERE b = 7", 0),
        ("ALTER TABLE t ADD COLUMN c", 0),
        ("DROP INDEX i", 0),
        ("INSERT INTO t (b) VALUES (8) RETURNING a", 1),
        ("SELECT * FROM t", 0),
        ("INSERT OR IGNORE INTO t (a) VALUES (1)", 0),
        ("CREATE TABLE copy AS SELECT * FROM t", 0),
        ("PRAGMA user_version = 3", 0),
        ("DELETE FROM t", 4),
        ("DROP TABLE t", 0),
    ] {
        assert_eq!(bench.execute(sql).await, Ok(rows), "{sql}");
    }
    assert_eq!(
        bench.rows("SELECT count(*) AS n FROM log").await,
        r#"[{"n":8}]"#
    );
}

#[tokio::test]
async fn a_transaction_ends_with_the_run() {
    let bench = Bench::new();
    bench.done("CREATE TABLE t (a)").await;
    bench.done("BEGIN").await;
    bench.done("INSERT INTO t VALUES (1)").await;
    assert_eq!(bench.rows("SELECT a FROM t").await, r#"[{"a":1}]"#);
    bench.database.end_run().await;
    assert_eq!(bench.rows("SELECT a FROM t").await, "[]");
    for sql in [
        "BEGIN",
        "INSERT INTO t VALUES (2)",
        "COMMIT",
        "SAVEPOINT s",
        "DELETE FROM t",
    ] {
        bench.done(sql).await;
    }
    bench.database.end_run().await;
    bench.database.close();
    assert_eq!(bench.rows("SELECT a FROM t").await, r#"[{"a":2}]"#);
    assert!(bench.execute("ROLLBACK").await.is_err(), "none is open");
    // The hooks are there again after a close.
    assert!(bench.query("DELETE FROM t").await.is_err());
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

#[tokio::test]
async fn limits_are_errors_and_the_database_lives_on() {
    let bench = Bench::with(|limits| {
        limits.db_time = Duration::from_millis(100);
        limits.db_json_bytes = 1_000;
        limits.sql_bytes = 10_000;
        limits.db_value_bytes = 20_000;
        limits.db_file_bytes = 1 << 20;
    });
    bench.done("CREATE TABLE t (a)").await;
    let too_long = format!("SELECT '{}'", "x".repeat(10_000));
    let mut shown = String::new();
    for sql in [
        ENDLESS,
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0",
        "SELECT hex(zeroblob(500))",
        "SELECT length(zeroblob(20001))",
        "INSERT INTO t VALUES (zeroblob(20001))",
        too_long.as_str(),
    ] {
        let error = if sql.starts_with("INSERT") {
            bench.execute(sql).await.map(|_| ()).expect_err(sql)
        } else {
            bench.query(sql).await.map(|_| ()).expect_err(sql)
        };
        let sql: String = sql.chars().take(60).collect();
        shown.push_str(&format!("{sql}\n    {error}\n"));
    }
    insta::assert_snapshot!(shown);
    let mut written = 0;
    let full = loop {
        match bench
            .execute("INSERT INTO t VALUES (randomblob(19000))")
            .await
        {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, "limit reached: the file has its full size");
    assert!(written > 20, "{written}");
    assert_eq!(
        bench.rows("SELECT count(*) AS n FROM t").await,
        format!(r#"[{{"n":{written}}}]"#)
    );
    let temporary = "CREATE TEMP TABLE s AS
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT randomblob(10000) FROM n";
    assert!(
        bench.execute(temporary).await.is_err(),
        "temporary tables are bounded too"
    );
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_given_up() {
    let bench = Bench::with(|limits| limits.db_time = Duration::from_secs(60));
    bench.done("CREATE TABLE t (a)").await;
    let begun = Instant::now();
    let waited = tokio::time::timeout(Duration::from_millis(50), bench.query(ENDLESS)).await;
    assert!(waited.is_err());
    // It has to wait for the one that was given up.
    assert_eq!(bench.rows("SELECT a FROM t").await, "[]");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn nothing_is_made_before_the_first_call() {
    let bench = Bench::new();
    bench.database.end_run().await;
    bench.database.close();
    assert!(!bench.directory.path().join("agent").exists());
    bench.rows("SELECT 1").await;
    assert!(bench.directory.path().join("agent/database.db").exists());
}
