//! What is loaded and what is refused, and that a refusal leaves nothing behind.

use reference_host::uni::{Grants, LoadError, UniHost};

use super::guests::{ECHO, Guest, aggregate_entry, procedure_entry, scalar_entry};
use super::{grants, host};

fn scalar() -> Guest {
    Guest::of(&scalar_entry("a.b.f", &["int64"], "int64", "")).scalar(ECHO)
}

async fn refused(host: &UniHost, bytes: &[u8], grants: &Grants) -> String {
    let error = host.load(bytes, grants).await.expect_err("is refused");
    assert!(host.functions().is_empty());
    error.to_string()
}

#[tokio::test]
async fn each_world_and_all_of_them() {
    let aggregate = Guest::of(&aggregate_entry("a.b.g", &["int64"], "binary"))
        .aggregate([ECHO_NEW, ECHO, ECHO, ECHO]);
    let procedure =
        Guest::of(&procedure_entry("a.b.p", &["int64"], &["int64"], "read")).procedure(ECHO);
    let mut all = Guest::of(
        &[
            scalar_entry("a.b.f", &["int64"], "int64", ""),
            aggregate_entry("a.b.g", &["int64"], "binary"),
            procedure_entry("a.b.p", &["int64"], &["int64"], "read"),
        ]
        .join(","),
    );
    all.scalar = scalar().scalar;
    all.aggregate = aggregate.aggregate.clone();
    all.procedure = procedure.procedure.clone();
    for (guest, count) in [(scalar(), 1), (aggregate, 1), (procedure, 1), (all, 3)] {
        let host = host();
        let loaded = host.load(&guest.build(), &grants()).await.expect("loads");
        assert_eq!(loaded.functions.len(), count);
        assert_eq!(host.functions(), loaded.functions);
        assert!(host.unload("a.b") && !host.unload("a.b"));
        assert!(host.functions().is_empty());
    }
}

const ECHO_NEW: &str = "(call $ok (i32.const 0) (i32.const 0))";

#[tokio::test]
async fn no_entries() {
    let loaded = host()
        .load(&Guest::of("").build(), &grants())
        .await
        .expect("loads");
    assert!(loaded.functions.is_empty() && loaded.denied.is_empty());
}

#[tokio::test]
async fn not_a_component() {
    for bytes in [&b""[..], b"garbage", b"\0asm\x01\0\0\0"] {
        assert!(
            refused(&host(), bytes, &grants())
                .await
                .starts_with("not a component")
        );
    }
}

#[tokio::test]
async fn imports_that_are_not_there() {
    for name in [
        "uni:plugin/host-fs@0.1.0",
        "uni:plugin/host-trace-context@0.2.0",
        "uni:plugin/host-log@0.1.1",
        "wasi:cli/environment@0.2.0",
    ] {
        let mut guest = scalar();
        guest.imports = format!("(import \"{name}\" (instance (export \"f\" (func))))");
        assert!(
            refused(&host(), &guest.build(), &grants())
                .await
                .contains(name)
        );
    }
    let mut guest = scalar();
    guest.imports =
        "(import \"uni:plugin/host-log@0.1.0\" (instance (export \"log\" (func))))".into();
    assert!(
        refused(&host(), &guest.build(), &grants())
            .await
            .contains("host-log")
    );
}

#[tokio::test]
async fn host_net_is_there_when_declared_and_granted() {
    let net = |manifest: &str| {
        let mut guest = Guest::new(manifest, r#"{"entries":[]}"#);
        guest.net = true;
        guest.build()
    };
    let bare = net(r#"{"id":"a.b","version":"1.0.0"}"#);
    let declared = net(r#"{"id":"a.b","version":"1.0.0","capabilities":["network"]}"#);
    let granted = Grants::default().with_network(["*"], 0, 0).expect("grants");
    assert!(
        refused(&host(), &declared, &grants())
            .await
            .contains("not granted")
    );
    assert!(refused(&host(), &bare, &granted).await.contains("declare"));
    host().load(&declared, &granted).await.expect("loads");
    let unused = Guest::new(
        r#"{"id":"a.b","version":"1.0.0","capabilities":["network","kms"]}"#,
        r#"{"entries":[]}"#,
    );
    let loaded = host()
        .load(&unused.build(), &grants())
        .await
        .expect("loads");
    assert_eq!(loaded.denied, ["network", "kms"]);
}

#[tokio::test]
async fn surfaces_must_be_granted() {
    let write = Guest::of(&procedure_entry("a.b.p", &[], &[], "write")).procedure(ECHO);
    for (guest, grants) in [
        (scalar(), Grants::default()),
        (write.clone(), grants()),
        (write, Grants::new(["procedure-writes"]).expect("grants")),
    ] {
        assert!(
            refused(&host(), &guest.build(), &grants)
                .await
                .contains("not granted")
        );
    }
}

#[tokio::test]
async fn exports_that_are_missing_or_of_another_type() {
    let guest = Guest::of(&aggregate_entry("a.b.g", &[], "int64")).scalar(ECHO);
    assert!(
        refused(&host(), &guest.build(), &grants())
            .await
            .contains("agg-new")
    );
    let text =
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
        (func (export \"manifest\") (canon lift (core func $i \"f\"))))";
    let error = host()
        .load(&wat::parse_str(text).expect("text"), &grants())
        .await;
    assert!(matches!(
        error,
        Err(LoadError::Export {
            name: "manifest",
            ..
        })
    ));
}

#[tokio::test]
async fn the_second_load_of_an_id() {
    let host = host();
    host.load(&scalar().build(), &grants())
        .await
        .expect("loads");
    let error = host.load(&scalar().build(), &grants()).await;
    assert!(matches!(error, Err(LoadError::Duplicate(id)) if id == "a.b"));
    assert_eq!(host.functions().len(), 1);
}

#[tokio::test]
async fn traps_and_loops_in_control_exports() {
    let mut guest = scalar();
    guest.core = "(func $start unreachable) (start $start)".into();
    assert!(
        refused(&host(), &guest.build(), &grants())
            .await
            .contains("trapped")
    );
    let host = super::host_with(reference_host::uni::Limits {
        call_time: std::time::Duration::from_millis(50),
        ..Default::default()
    });
    let spin = "(loop br 0)";
    for (manifest, register, core) in [
        (spin, "", ""),
        ("", spin, ""),
        ("", "", "(func $start (loop br 0)) (start $start)"),
    ] {
        let mut guest = scalar();
        guest.manifest_body = manifest.into();
        guest.register_body = register.into();
        guest.core = core.into();
        assert!(
            refused(&host, &guest.build(), &grants())
                .await
                .contains("longer than 50 ms")
        );
    }
}

#[tokio::test]
async fn text_that_is_not_utf8() {
    let mut guest = scalar();
    guest.manifest_body = "(i32.store8 (i32.const 4100) (i32.const 255))".into();
    assert!(
        refused(&host(), &guest.build(), &grants())
            .await
            .contains("utf-8")
    );
}

#[tokio::test]
async fn a_mistake_in_the_second_entry() {
    let entries = [
        scalar_entry("a.b.f", &[], "int64", ""),
        scalar_entry("c.f", &[], "int64", ""),
    ]
    .join(",");
    let guest = Guest::of(&entries).scalar(ECHO);
    assert!(
        refused(&host(), &guest.build(), &grants())
            .await
            .contains("$.entries[1].qname")
    );
}
