//! Records: levels, numbers, bounds, lines.

use super::*;

fn logger(threshold: Level, change: impl FnOnce(&mut Limits)) -> Logger {
    let mut limits = Limits::default();
    change(&mut limits);
    Logger::new(AgentId::new(), "scribe", threshold, &limits)
}

#[test]
fn levels_are_read_in_any_case_and_compared_with_the_threshold() {
    let logger = logger(Level::Info, |_| ());
    for (level, recorded) in [
        ("trace", None),
        ("DEBUG", None),
        ("info", Some((1, Level::Info))),
        ("Warn", Some((2, Level::Warn))),
        ("ERROR", Some((3, Level::Error))),
    ] {
        let record = logger.log(level, "text".into()).expect("a level");
        assert_eq!(record.map(|it| (it.seq, it.level)), recorded, "{level}");
    }
    for level in ["", "warning", "inf", " info", "info\n"] {
        let error = logger.log(level, "text".into()).expect_err(level);
        assert!(error.to_string().contains("no log level"), "{error}");
    }
}

#[test]
fn a_record_is_one_line_of_json() {
    let logger = logger(Level::Trace, |_| ());
    let message = "one\r\n{\"seq\":2}\0\u{1b}[31m\u{2028}\"\\é";
    let mut record = logger
        .log("warn", message.into())
        .expect("a level")
        .expect("a record");
    assert_eq!(record.message, message, "the record itself is exact");
    record.ts = 0;
    let line = record.to_string();
    assert!(!line.contains(['\n', '\r', '\0', '\u{1b}']));
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["message"], message);
    insta::assert_snapshot!(line);
}

#[test]
fn a_run_is_bounded_in_records_and_bytes_and_says_what_is_missing() {
    let logger = logger(Level::Trace, |limits| {
        limits.log_records = 3;
        limits.log_bytes = 20;
        limits.log_message_bytes = 8;
    });
    let log = |message: &str| {
        logger
            .log("info", message.into())
            .expect("a level")
            .map(|record| (record.seq, record.message))
    };
    assert_eq!(log("éééé"), Some((1, "éééé".into())));
    assert_eq!(log("éééx"), Some((2, "éééx".into())));
    assert_eq!(log("123456"), None, "over the bytes");
    assert_eq!(log(""), Some((3, String::new())));
    assert_eq!(log(""), None, "over the records");
    let record = logger.end_run().expect("a record about it");
    assert_eq!((record.seq, record.level), (4, Level::Warn));
    assert_eq!(
        record.message,
        "limit reached: 2 records of this run were left out"
    );
    assert_eq!(logger.end_run(), None);
    assert_eq!(log("1234567é"), Some((5, "1234567… (9 bytes)".into())));
}
