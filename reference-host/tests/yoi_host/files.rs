//! The import `fs`: grants, roots, links, limits.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use reference_host::yoi::{Config, FsOperation, FsRoot, HostApi, Limits, Plugin, YoiHost};
use serde_json::json;
use tempfile::TempDir;

use super::{answer, code, guests, register_with};

const ALL: [FsOperation; 3] = [FsOperation::Read, FsOperation::List, FsOperation::Write];

async fn plugin(config: Config, roots: &[(&TempDir, &[FsOperation])]) -> Arc<Plugin> {
    let host = YoiHost::new(config);
    register_with(&host, &guests::plugin(&[HostApi::Fs]), |_, g| {
        let root = |(dir, operations): &(&TempDir, &[FsOperation])| FsRoot {
            path: dir.path().canonicalize().expect("a path"),
            operations: operations.iter().copied().collect(),
        };
        g.fs = roots.iter().map(root).collect();
    })
    .await
    .expect("registered")
}

async fn on(dir: &TempDir) -> Arc<Plugin> {
    plugin(Config::default(), &[(dir, &ALL)]).await
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[tokio::test]
async fn files_are_written_read_and_listed() {
    let dir = dir();
    fs::create_dir(dir.path().join("sub")).expect("made");
    symlink("sub", dir.path().join("link")).expect("made");
    let plugin = on(&dir).await;
    let written = answer(
        &plugin,
        "wr",
        &json!({"path": "sub/ä.txt", "content": "längerer Text"}),
    )
    .await;
    assert_eq!(written, json!({"path": "sub/ä.txt", "bytes_written": 14}));
    answer(
        &plugin,
        "wr",
        &json!({"path": "./sub//ä.txt", "content": "kurz"}),
    )
    .await;
    assert_eq!(
        fs::read_to_string(dir.path().join("sub/ä.txt")).expect("read"),
        "kurz"
    );
    let read = answer(&plugin, "rd", &json!({"path": "sub/ä.txt"})).await;
    assert_eq!(
        read,
        json!({"path": "sub/ä.txt", "content": "kurz", "truncated": false})
    );
    answer(&plugin, "wr", &json!({"path": "b", "content": ""})).await;
    let listed = answer(&plugin, "ls", &json!({"path": "."})).await;
    let entries = json!([{"name": "b", "kind": "file"}, {"name": "link", "kind": "symlink"}, {"name": "sub", "kind": "dir"}]);
    assert_eq!(
        listed,
        json!({"path": ".", "entries": entries, "truncated": false})
    );
    assert_eq!(
        answer(&plugin, "rd", &json!({"path": "b"})).await["content"],
        json!("")
    );
}

#[tokio::test]
async fn paths_stay_inside() {
    let (dir, outside) = (dir(), dir());
    fs::write(outside.path().join("secret"), "s").expect("written");
    fs::write(dir.path().join("in"), "i").expect("written");
    fs::create_dir(dir.path().join("sub")).expect("made");
    symlink(outside.path(), dir.path().join("out")).expect("made");
    symlink("in", dir.path().join("alias")).expect("made");
    let plugin = on(&dir).await;
    let absolute = outside.path().join("secret").display().to_string();
    for path in [
        "",
        "..",
        "../x",
        "sub/../in",
        "sub/..",
        "a\0b",
        &absolute,
        "/",
        "out/secret",
        "alias",
        "out",
        "sub",
        "none",
        "none/x",
        &"x".repeat(4097),
    ] {
        for (tool, input) in [
            ("rd", json!({"path": path})),
            ("wr", json!({"path": path, "content": "evil"})),
        ] {
            if tool == "wr" && path == "none" {
                continue;
            }
            let refused = answer(&plugin, tool, &input).await;
            code(&refused);
            assert!(
                !refused
                    .to_string()
                    .contains(&*outside.path().to_string_lossy()),
                "{refused}"
            );
        }
    }
    for path in ["in", "alias", "out", "..", "none"] {
        code(&answer(&plugin, "ls", &json!({"path": path})).await);
    }
    code(&answer(&plugin, "wr", &json!({"path": ".", "content": ""})).await);
    code(&answer(&plugin, "wr", &json!({"path": "new/", "content": ""})).await);
    assert_eq!(
        fs::read_to_string(outside.path().join("secret")).expect("read"),
        "s"
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("in")).expect("read"),
        "i"
    );
    assert!(!dir.path().join("new").exists() && !outside.path().join("x").exists());
}

#[tokio::test]
async fn operations_are_granted_one_by_one() {
    for granted in ALL {
        let dir = dir();
        fs::write(dir.path().join("f"), "old").expect("written");
        let plugin = plugin(Config::default(), &[(&dir, &[granted])]).await;
        for (operation, tool, input) in [
            (FsOperation::Read, "rd", json!({"path": "f"})),
            (FsOperation::List, "ls", json!({"path": "."})),
            (
                FsOperation::Write,
                "wr",
                json!({"path": "f", "content": "new"}),
            ),
        ] {
            let got = answer(&plugin, tool, &input).await;
            assert_eq!(got.get("error").is_none(), operation == granted, "{got}");
            if operation != granted {
                assert_eq!(code(&got), "denied");
            }
        }
        let expected = if granted == FsOperation::Write {
            "new"
        } else {
            "old"
        };
        assert_eq!(
            fs::read_to_string(dir.path().join("f")).expect("read"),
            expected
        );
    }
}

#[tokio::test]
async fn roots_are_tried_in_order() {
    let (first, second) = (dir(), dir());
    fs::write(first.path().join("both"), "1").expect("written");
    fs::write(second.path().join("both"), "2").expect("written");
    fs::write(second.path().join("only"), "2").expect("written");
    let plugin = plugin(
        Config::default(),
        &[(&first, &ALL), (&second, &[FsOperation::Read])],
    )
    .await;
    for (path, content) in [("both", "1"), ("only", "2")] {
        assert_eq!(
            answer(&plugin, "rd", &json!({"path": path})).await["content"],
            json!(content)
        );
    }
    let linked = dir();
    let link = linked.path().join("link");
    symlink(second.path(), &link).expect("made");
    let host = YoiHost::new(Config::default());
    let plugin = register_with(&host, &guests::plugin(&[HostApi::Fs]), |_, g| {
        g.fs = vec![FsRoot {
            path: link,
            operations: ALL.into(),
        }];
    })
    .await
    .expect("registered");
    assert_eq!(
        code(&answer(&plugin, "rd", &json!({"path": "only"})).await),
        "failed"
    );
}

#[tokio::test]
async fn sizes_are_bounded() {
    let dir = dir();
    let mut limits = Limits::yoi();
    limits.fs.read_bytes = 8;
    limits.fs.entries = 3;
    limits.fs.write_bytes = 8;
    limits.fs.descriptor_bytes = 300;
    limits.fs.path_bytes = 200;
    limits.fs.echo_bytes = 10;
    for name in ["d", "a", "c", "b"] {
        fs::write(dir.path().join(name), "123456789").expect("written");
    }
    fs::write(dir.path().join("exact"), b"1234567\xff").expect("written");
    let plugin = plugin(
        Config {
            limits,
            ..Config::default()
        },
        &[(&dir, &ALL)],
    )
    .await;
    let read = answer(&plugin, "rd", &json!({"path": "a"})).await;
    assert_eq!(
        (&read["content"], &read["truncated"]),
        (&json!("12345678"), &json!(true))
    );
    let read = answer(&plugin, "rd", &json!({"path": "exact"})).await;
    assert_eq!(
        (&read["content"], &read["truncated"]),
        (&json!("1234567\u{fffd}"), &json!(false))
    );
    let listed = answer(&plugin, "ls", &json!({"path": "."})).await;
    let entries = listed["entries"].as_array().expect("entries");
    let names: Vec<_> = entries.iter().map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names, [Some("a"), Some("b"), Some("c")]);
    assert_eq!(listed["truncated"], json!(true));
    assert_eq!(
        code(&answer(&plugin, "wr", &json!({"path": "a", "content": "123456789"})).await),
        "limit"
    );
    assert_eq!(
        code(&answer(&plugin, "rd", &json!({"path": "x".repeat(201)})).await),
        "limit"
    );
    assert_eq!(
        code(&answer(&plugin, "rd", &json!({"path": "x".repeat(300)})).await),
        "limit"
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("a")).expect("read"),
        "123456789"
    );
    answer(&plugin, "wr", &json!({"path": "token.txt", "content": "x"})).await;
    assert_eq!(
        answer(&plugin, "rd", &json!({"path": "token.txt"})).await["path"],
        json!("token<reda…")
    );
    for input in [
        json!({}),
        json!({"path": "a", "more": 1}),
        json!(["a"]),
        json!({"path": 1}),
    ] {
        assert_eq!(code(&answer(&plugin, "rd", &input).await), "invalid_input");
    }
}
