//! Registration, `start`, `status`, `stop`, traps and the limits of an instance.

use std::time::{Duration, Instant};

use reference_host::yoi::{
    CallError, Config, Grants, HostApi, Lifecycle, Limits, Permission, RegisterError, Surface,
    YoiHost, digest,
};
use serde_json::json;

use super::{content, event, guests, manifest, register, register_with};

fn host() -> YoiHost {
    YoiHost::new(Config::default())
}

#[tokio::test]
async fn the_config_reaches_start_as_json_and_null_stands_for_none() {
    let component = guests::plugin(&[]);
    for (config, expected) in [
        (None, "null".to_owned()),
        (
            Some(json!({"a": [1, 2.5, true, {}], "ü": "\"\n"})),
            json!({"a": [1, 2.5, true, {}], "ü": "\"\n"}).to_string(),
        ),
    ] {
        let manifest = manifest();
        let grants = Grants::all_of(&manifest, &digest(&component));
        let plugin = host()
            .register(&component, manifest, grants, config.as_ref())
            .await
            .expect("registered");
        assert_eq!(plugin.snapshot().lifecycle, Lifecycle::Running);
        let seen = content(&plugin, "cfg", "1").await.expect("content");
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_failed_start_leaves_nothing() {
    let host = host();
    for answer in [
        "",
        "{",
        "ready",
        r#"{"error":null}"#,
        r#"{"error":{"message":"no"}}"#,
        r#"{"state":"failed"}"#,
    ] {
        let error = register_with(&host, &guests::starting(answer), |_, _| ())
            .await
            .expect_err("refused");
        assert!(
            matches!(error, RegisterError::Start(_)),
            "{answer}: {error}"
        );
        assert!(host.plugin("a.plugin").is_none());
    }
    for answer in [r#"{"state":"warming"}"#, "[]", "1"] {
        let plugin = register_with(&host, &guests::starting(answer), |_, _| ())
            .await
            .expect("registered");
        assert_eq!(plugin.snapshot().lifecycle, Lifecycle::Running);
        assert!(host.remove("a.plugin").await);
    }
    assert!(!host.remove("another").await);
}

#[tokio::test]
async fn a_plugin_is_registered_once() {
    let host = host();
    let component = guests::plugin(&[]);
    let first = register_with(&host, &component, |_, _| ())
        .await
        .expect("registered");
    first.call_tool("count", "1").await.expect("called");
    let again = register_with(&host, &component, |_, _| ())
        .await
        .expect("the same");
    assert_eq!(content(&again, "count", "1").await, Ok("2".into()));
    let changed = register_with(&host, &component, |m, g| {
        (m.version, g.version) = ("2".into(), "2".into());
    });
    assert_eq!(
        changed.await.expect_err("refused"),
        RegisterError::Duplicate("a.plugin".into())
    );
    let other = register_with(&host, &component, |m, g| {
        (m.id, g.id) = ("b".into(), "b".into())
    })
    .await
    .expect("registered");
    assert_eq!(content(&other, "count", "1").await, Ok("1".into()));
}

#[tokio::test]
async fn imports_are_checked_before_anything_runs() {
    let fs = guests::plugin(&[HostApi::Fs]);
    let web = guests::plugin(&[HostApi::Request, HostApi::WebSocket]);
    for (component, change) in [
        (&fs, (|_, _| ()) as fn(&mut _, &mut Grants)),
        (&web, |_, g| {
            g.permissions.remove(&Permission::HostApi(HostApi::Request));
        }),
        (&web, |_, g| g.websocket_targets.clear()),
        (&web, |m: &mut reference_host::yoi::Manifest, _| {
            m.request_targets.clear()
        }),
        (&web, |m, _| {
            m.permissions
                .remove(&Permission::HostApi(HostApi::WebSocket));
        }),
    ] {
        let error = register_with(&host(), component, change)
            .await
            .expect_err("refused");
        assert!(matches!(error, RegisterError::Import { .. }), "{error}");
    }
    assert!(register_with(&host(), &web, |_, _| ()).await.is_ok());
    for name in [
        "yoi:host/fs@1.1.0",
        "yoi:host/exec@1.0.0",
        "wasi:cli/stdin@0.2.0",
    ] {
        let text = format!(r#"(component (import "{name}" (instance)))"#);
        let component = wat::parse_str(text).expect("a component");
        let error = register_with(&host(), &component, |_, _| ())
            .await
            .expect_err("refused");
        assert!(
            matches!(&error, RegisterError::Import { name: named, .. } if named == name),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_no_such_component_is_refused() {
    for bytes in [&b""[..], b"(component)", b"\0asm\x01\0\0\0"] {
        let error = register_with(&host(), bytes, |_, _| ())
            .await
            .expect_err("refused");
        assert!(matches!(error, RegisterError::Component(_)), "{error}");
    }
    let empty = wat::parse_str("(component)").expect("a component");
    let error = register_with(&host(), &empty, |_, _| ())
        .await
        .expect_err("refused");
    assert!(
        matches!(error, RegisterError::Export { name: "start", .. }),
        "{error}"
    );
    let large = vec![0; Limits::yoi().component_bytes + 1];
    let error = register_with(&host(), &large, |_, _| ())
        .await
        .expect_err("refused");
    assert!(matches!(error, RegisterError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn manifests_and_bindings_are_checked() {
    let component = guests::plugin(&[]);
    let error = register_with(&host(), &component, |m, _| m.tools[1].name = "echo".into()).await;
    assert!(matches!(error, Err(RegisterError::Manifest(_))));
    let error = register_with(&host(), &component, |m, _| m.id = " ".into()).await;
    assert!(matches!(error, Err(RegisterError::Manifest(_))));
    let error = register_with(&host(), &component, |_, g| {
        g.digest = format!("sha256:{}", "0".repeat(64))
    })
    .await;
    assert!(matches!(error, Err(RegisterError::Grants(_))));
}

#[tokio::test]
async fn status_tells_and_a_bad_one_fails_the_plugin() {
    let plugin = register(Config::default(), &[]).await;
    for _ in 0..3 {
        assert_eq!(
            plugin.status().await.component_status,
            Some(json!({"state": "running", "data": 1}))
        );
    }
    plugin
        .call_tool("stat", r#""{\"error\":{\"code\":\"x\"}}""#)
        .await
        .expect("done");
    let failed = plugin.status().await;
    assert_eq!(failed.lifecycle, Lifecycle::Failed);
    assert!(
        failed
            .last_error
            .is_some_and(|error| error.starts_with("plugin component status failed: "))
    );
    assert_eq!(
        failed.component_status,
        Some(json!({"state": "running", "data": 1}))
    );
    assert_eq!(
        plugin.dispatch("feed", event("1")).await,
        Err(CallError::State(Lifecycle::Failed))
    );
    // Tools still reach a guest that did not trap, and `status` is not called again.
    plugin.call_tool("stat", r#""1""#).await.expect("done");
    assert_eq!(plugin.status().await.lifecycle, Lifecycle::Failed);
}

#[tokio::test]
async fn stop_is_called_once_and_ends_everything() {
    let plugin = register(Config::default(), &[]).await;
    plugin
        .call_tool("stat", r#""{\"state\":\"stopped\",\"data\":2}""#)
        .await
        .expect("done");
    assert_eq!(plugin.stop().await, Ok(()));
    assert_eq!(plugin.stop().await, Ok(()));
    let status = plugin.status().await;
    assert_eq!(
        (status.lifecycle, status.component_status),
        (
            Lifecycle::Stopped,
            Some(json!({"state": "stopped", "data": 2}))
        )
    );
    assert_eq!(
        plugin.call_tool("echo", "1").await,
        Err(CallError::State(Lifecycle::Stopped))
    );
    assert_eq!(
        plugin.dispatch("feed", event("1")).await,
        Err(CallError::State(Lifecycle::Stopped))
    );
}

#[tokio::test]
async fn a_failed_stop_may_be_tried_again() {
    let plugin = register(Config::default(), &[]).await;
    plugin
        .call_tool("stat", r#""nonsense""#)
        .await
        .expect("done");
    assert!(matches!(plugin.stop().await, Err(CallError::Output(_))));
    assert_eq!(plugin.snapshot().lifecycle, Lifecycle::Failed);
    plugin.call_tool("stat", r#""{}""#).await.expect("done");
    assert_eq!(plugin.stop().await, Ok(()));
}

#[tokio::test]
async fn a_trap_ends_one_plugin_and_no_other() {
    let host = host();
    let component = guests::plugin(&[]);
    let one = register_with(&host, &component, |_, _| ())
        .await
        .expect("registered");
    let other = register_with(&host, &component, |m, g| {
        (m.id, g.id) = ("b".into(), "b".into())
    })
    .await
    .expect("registered");
    for tool in ["trap", "echo"] {
        let error = one.call_tool(tool, "1").await;
        assert!(
            matches!(error, Err(CallError::Trap(_))),
            "{tool}: {error:?}"
        );
    }
    assert_eq!(one.snapshot().lifecycle, Lifecycle::Failed);
    assert!(one.stop().await.is_err());
    assert_eq!(content(&other, "echo", "1").await, Ok("1".into()));
    assert!(host.remove("a.plugin").await);
    let fresh = register_with(&host, &component, |_, _| ())
        .await
        .expect("registered");
    assert_eq!(content(&fresh, "count", "1").await, Ok("1".into()));
}

#[tokio::test]
async fn what_a_guest_does_to_itself_is_a_trap() {
    for tool in ["deep", "grow", "u8", "oob"] {
        let plugin = register(Config::default(), &[]).await;
        let error = plugin.call_tool(tool, "1").await.expect_err("it fails");
        assert!(matches!(error, CallError::Trap(_)), "{tool}: {error}");
    }
    let limits = Limits {
        growth_traps: false,
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
    assert!(plugin.call_tool("grow", "1").await.is_ok());
}

#[tokio::test]
async fn computing_is_bounded_by_the_call() {
    let limits = Limits {
        compute_time: Duration::from_millis(300),
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
    for _ in 0..500 {
        plugin.call_tool("echo", "1").await.expect("cheap");
    }
    let start = Instant::now();
    let error = plugin
        .call_tool("spin", "1")
        .await
        .expect_err("it is stopped");
    assert!(
        matches!(
            error,
            CallError::Timeout {
                computing: true,
                ..
            }
        ),
        "{error}"
    );
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(plugin.snapshot().lifecycle, Lifecycle::Failed);
}

#[tokio::test]
async fn memory_and_tables_are_bounded() {
    for (component, fits) in [
        (guests::with_pages(32), true),
        (guests::with_pages(33), false),
        (guests::with_table(256), true),
        (guests::with_table(257), false),
    ] {
        let registered = register_with(&host(), &component, |_, _| ()).await;
        match registered {
            Ok(_) => assert!(fits),
            Err(error) => assert!(
                !fits && matches!(error, RegisterError::Instantiate(_)),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn exports_of_other_types_are_refused() {
    let component = wat::parse_str(
        r#"(component
          (core module $m (memory (export "m") 1)
            (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0))
            (func (export "f") (param i32 i32) (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          (func (export "start") (param "x" string) (result string)
            (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "r"))))
          (func (export "handle-tool") (param "x" string) (result string)
            (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "r")))))"#,
    )
    .expect("a component");
    let error = register_with(&host(), &component, |_, _| ())
        .await
        .expect_err("refused");
    assert!(
        matches!(
            error,
            RegisterError::Export {
                name: "handle-tool",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_surface_that_is_not_granted_closes_its_calls() {
    let component = guests::plugin(&[]);
    let plugin = register_with(&host(), &component, |_, g| {
        g.surfaces = [Surface::Service].into();
    })
    .await
    .expect("registered");
    assert!(matches!(
        plugin.call_tool("echo", "1").await,
        Err(CallError::Denied(_))
    ));
    assert!(matches!(
        plugin.dispatch("feed", event("1")).await,
        Err(CallError::Denied(_))
    ));
}
