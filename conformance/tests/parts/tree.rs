//! Trees of a test's own, to be used instead of the suite's.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};

/// A tree with the Pie contract, in which `replacement` stands for the first `text`, and these cases.
pub(crate) fn pie(name: &str, (text, replacement): (&str, &str), cases: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let _ = std::fs::remove_dir_all(&root);
    let folder = root.join("conformance/cases/pie");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(ours.join("../wit"), root.join("wit")).unwrap();
    let contract = std::fs::read_to_string(ours.join("cases/pie/contract.toml")).unwrap();
    let contract = contract.replacen(text, replacement, 1);
    std::fs::write(folder.join("contract.toml"), contract).unwrap();
    std::fs::write(folder.join("mini.case"), cases).unwrap();
    root
}
