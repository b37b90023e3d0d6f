//! The configuration: what an agent sees, what it may set, what stays.

use tempfile::TempDir;

use super::*;

struct Bench {
    directory: TempDir,
    limits: Limits,
}

impl Bench {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            limits: Limits::default(),
        }
    }

    fn values(&self) -> Values {
        let entry = |key: &str, value: &str, protected| ConfigEntry {
            key: key.into(),
            value: value.into(),
            protected,
        };
        let entries = [
            entry("greeting", "hello", false),
            entry("empty", "", false),
            entry("fixed", "stays", true),
            entry("budget.daily", "5", false),
        ];
        let path = self.directory.path().join("agent/config.db");
        Values::new(&entries, path, false, &self.limits)
    }
}

async fn get(values: &Values, key: &str) -> Result<String, String> {
    values.get(key).await.map_err(|error| error.to_string())
}

async fn set(values: &Values, key: &str, value: &str) -> Result<(), String> {
    values
        .set(key, value)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_is_configured_is_read_without_a_file() {
    let bench = Bench::new();
    let values = bench.values();
    assert_eq!(get(&values, "greeting").await, Ok("hello".into()));
    assert_eq!(get(&values, "empty").await, Ok(String::new()));
    assert_eq!(get(&values, "budget.daily").await, Ok("5".into()));
    let missing = get(&values, "missing").await;
    assert_eq!(missing, Err("there is no value for \"missing\"".into()));
    assert_eq!(get(&values, "").await, Err("the key is empty".into()));
    assert!(!bench.directory.path().join("agent").exists());
}

#[tokio::test]
async fn what_is_set_stays_and_wins() {
    let bench = Bench::new();
    let values = bench.values();
    for (key, value) in [
        ("greeting", "servus"),
        ("new", "é\0\n"),
        ("new", ""),
        ("Greeting", "other"),
        ("a.b", "c"),
    ] {
        assert_eq!(set(&values, key, value).await, Ok(()), "{key}");
        assert_eq!(get(&values, key).await, Ok(value.into()), "{key}");
    }
    values.close();
    let again = bench.values();
    assert_eq!(get(&again, "greeting").await, Ok("servus".into()));
    assert_eq!(get(&again, "new").await, Ok(String::new()));
    assert_eq!(get(&again, "Greeting").await, Ok("other".into()));
}

#[tokio::test]
async fn protected_keys_are_denied() {
    let bench = Bench::new();
    let values = bench.values();
    for key in [
        "fixed",
        "capabilities",
        "endpoints.0.host",
        "Budget",
        "fuel",
        "runtime.x",
    ] {
        let before = get(&values, key).await;
        let error = values.set(key, "mine").await.expect_err(key);
        assert!(matches!(error, CallError::Denied(_)), "{key}: {error}");
        assert_eq!(get(&values, key).await, before);
    }
    assert_eq!(get(&values, "fixed").await, Ok("stays".into()));
    assert!(set(&values, "capabilities-of-mine", "fine").await.is_ok());
}

#[tokio::test]
async fn a_key_that_becomes_protected_has_its_configured_value() {
    let bench = Bench::new();
    let path = bench.directory.path().join("agent/config.db");
    let open = |protected| {
        let entry = ConfigEntry {
            key: "k".into(),
            value: "configured".into(),
            protected,
        };
        Values::new(&[entry], path.clone(), false, &bench.limits)
    };
    let values = open(false);
    assert!(set(&values, "k", "mine").await.is_ok());
    values.close();
    assert_eq!(get(&open(true), "k").await, Ok("configured".into()));
    assert_eq!(get(&open(false), "k").await, Ok("mine".into()));
}

#[tokio::test]
async fn keys_values_and_their_number_are_bounded() {
    let mut bench = Bench::new();
    bench.limits.config_keys = 3;
    bench.limits.config_value_bytes = 10;
    bench.limits.config_key_bytes = 5;
    let values = bench.values();
    for key in ["a", "b", "c"] {
        assert_eq!(set(&values, key, "0123456789").await, Ok(()));
    }
    let full = "limit reached: 3 keys are set already";
    assert_eq!(set(&values, "d", "").await, Err(full.into()));
    assert_eq!(set(&values, "a", "again").await, Ok(()));
    let long = "limit reached: a value of 11 bytes, allowed are 10";
    assert_eq!(set(&values, "a", "0123456789x").await, Err(long.into()));
    let long = "limit reached: a key of 6 bytes, allowed are 5";
    assert_eq!(set(&values, "abcdef", "").await, Err(long.into()));
    assert_eq!(get(&values, "abcdef").await, Err(long.into()));
}
