//! The published uni-db host beside ours, with the same plugin, where its workspace is built: a program of that workspace
//! times its own calls and prints them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use benches::times::{Record, Times};
use serde::Deserialize;

use crate::columns::{batch, column};
use crate::subject::{Subject, name};

/// What the program prints: one such object a line.
#[derive(Deserialize)]
struct Timed {
    rows: usize,
    nanos: Vec<u64>,
}

/// Times one row and 1,000,000 rows of `int64` on both hosts in turn. Without the program there is no record.
///
/// # Panics
/// When the program is there and fails.
pub(crate) fn compare(component: &[u8], subject: &Subject, records: &mut Vec<Record>) {
    let Some((program, profile)) = program() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("echo.wasm");
    std::fs::write(&plugin, component).expect("the plugin is written");
    let qname = name("int64");
    for (rows, calls, promise) in [(1, 500, 3.0), (1_000_000, 15, 2.0)] {
        let batch = batch(column("int64", rows));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let output = Command::new(&program)
                .arg(&plugin)
                .arg(&qname)
                .arg(rows.to_string())
                .arg(calls.to_string())
                .output()
                .expect("the program starts");
            assert!(output.status.success(), "{output:?}");
            let timed: Timed =
                serde_json::from_slice(&output.stdout).expect("the program prints its times");
            assert_eq!(timed.rows, rows);
            theirs.extend(timed.nanos.into_iter().map(Duration::from_nanos));
            ours.extend(
                (0..calls).map(|_| subject.time(subject.host().invoke_scalar(&qname, &batch))),
            );
        }
        let (ours, theirs) = (Times::new(ours), Times::new(theirs));
        let name = format!("{rows} int64 rows, uni-db 2.5.0 ({profile} build)");
        records.push(
            Record::times("arrow", name, &theirs)
                .above(&ours)
                .promised_at_least(promise)
                .note("beside the host here"),
        );
    }
}

fn program() -> Option<(PathBuf, &'static str)> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../conformance/adapters/uni-plugin-wasm/target");
    ["release", "debug"].into_iter().find_map(|profile| {
        let program = target.join(profile).join("arrow-path");
        program.is_file().then_some((program, profile))
    })
}
