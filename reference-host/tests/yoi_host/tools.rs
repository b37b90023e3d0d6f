//! Tool calls: what is checked before the guest, what is checked after it.

use reference_host::yoi::{CallError, Config, Lifecycle, Limits, OutputError, Permission, YoiHost};

use super::{content, guests, register, register_with};

#[tokio::test]
async fn the_input_arrives_byte_for_byte() {
    let plugin = register(Config::default(), &[]).await;
    for input in [" {\"b\" : 1e3, \"a\":\"x\"} ", "[1]", "\"ü\"", "null"] {
        assert_eq!(content(&plugin, "echo", input).await, Ok(input.into()));
    }
}

#[tokio::test]
async fn bad_input_does_not_reach_the_guest() {
    let plugin = register(Config::default(), &[]).await;
    let limit = Limits::yoi().input_bytes;
    for input in [
        "",
        "{",
        "nope",
        "1 2",
        &format!("\"{}\"", "x".repeat(limit - 1)),
    ] {
        let error = plugin.call_tool("echo", input).await.expect_err("refused");
        assert!(matches!(error, CallError::Input(_)), "{error}");
        assert!(!error.entered());
    }
    assert!(matches!(
        plugin.call_tool("another", "1").await,
        Err(CallError::Denied(_))
    ));
    assert_eq!(content(&plugin, "count", "1").await, Ok("1".into()));
    let longest = format!("\"{}\"", "x".repeat(limit - 2));
    assert!(
        plugin
            .call_tool("raw-is-not-declared", &longest)
            .await
            .is_err()
    );
    // The longest input is taken; its echo is longer than an output may be.
    assert!(matches!(
        plugin.call_tool("echo", &longest).await,
        Err(CallError::Output(_))
    ));
}

#[tokio::test]
async fn a_tool_needs_its_permission() {
    let host = YoiHost::new(Config::default());
    let plugin = register_with(&host, &guests::plugin(&[]), |_, g| {
        g.permissions = [Permission::ToolNamespace("co".into())].into();
    })
    .await
    .expect("registered");
    assert!(matches!(
        plugin.call_tool("echo", "1").await,
        Err(CallError::Denied(_))
    ));
    assert_eq!(content(&plugin, "count", "1").await, Ok("1".into()));
}

#[tokio::test]
async fn bad_output_is_an_error_and_no_more() {
    let plugin = register(Config::default(), &[]).await;
    let limits = Limits::yoi();
    let summary = |bytes: usize| format!(r#""{{\"summary\":\"{}\"}}""#, "x".repeat(bytes));
    let long = |bytes: usize| {
        format!(
            r#""{{\"summary\":\"s\",\"content\":\"{}\"}}""#,
            "x".repeat(bytes - 28)
        )
    };
    let strange = format!(r#""{{\"summary\":\"s\",\"{}\":1}}""#, "ü".repeat(20_000));
    for (output, expected) in [
        (r#""""#, "ToolOutput is empty"),
        (r#""nonsense""#, "malformed"),
        (r#""[\"s\",null]""#, "expected an object"),
        (r#""{\"summary\":\"\"}""#, "is empty"),
        (r#""{\"summary\":1}""#, "expected a string"),
        (
            r#""{\"summary\":\"s\",\"error\":{}}""#,
            "unknown field `error`",
        ),
        (r#""{\"content\":\"c\"}""#, "missing field `summary`"),
        (
            r#""{\"summary\":\"s\",\"content\":{}}""#,
            "expected a string",
        ),
        (&summary(limits.summary_bytes + 1), "exceeds 1024 bytes"),
        (&strange, "unknown field"),
    ] {
        let error = plugin.call_tool("raw", output).await.expect_err("refused");
        assert!(matches!(error, CallError::Output(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.len() < 600, "{text}");
        assert_eq!(plugin.snapshot().lifecycle, Lifecycle::Running);
    }
    assert!(
        plugin
            .call_tool("raw", &summary(limits.summary_bytes))
            .await
            .is_ok()
    );
    assert!(
        plugin
            .call_tool("raw", r#""{\"summary\":\" \",\"content\":null}""#)
            .await
            .is_ok()
    );
    assert!(plugin.call_tool("raw", &long(60_000)).await.is_ok());
    let limits = Limits {
        output_bytes: 1000,
        ..Limits::yoi()
    };
    let plugin = register(
        Config {
            limits,
            ..Config::default()
        },
        &[],
    )
    .await;
    assert!(plugin.call_tool("raw", &long(1000)).await.is_ok());
    let error = plugin
        .call_tool("raw", &long(1001))
        .await
        .expect_err("refused");
    assert_eq!(
        error,
        CallError::Output(OutputError::TooLong {
            what: "ToolOutput",
            limit: 1000
        })
    );
}

#[tokio::test]
async fn calls_come_one_after_the_other() {
    let plugin = register(Config::default(), &[]).await;
    let calls = (0..8).map(|_| content(&plugin, "count", "1"));
    let mut seen: Vec<String> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(|content| content.expect("content"))
        .collect();
    seen.sort();
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[tokio::test]
async fn a_caller_that_gives_up_breaks_nothing() {
    let plugin = register(Config::default(), &[]).await;
    for _ in 0..20 {
        let call = plugin.call_tool("echo", "1");
        let _ = tokio::time::timeout(std::time::Duration::ZERO, call).await;
    }
    assert_eq!(content(&plugin, "echo", "2").await, Ok("2".into()));
}
