//! From files to checked cases.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use fixtures::abi::{Type, Value};

use super::{
    Beside, check,
    diagnostic::{Diagnostic, Diagnostics, Problem},
    model::{Case, ExprKind, Source, Span},
    syntax,
};
use crate::contract::{Contract, Files};

/// Reads every case of a contract: all `.case` files in its folder and below, in order of their paths.
///
/// # Errors
/// Every mistake in every file; ids that are used twice among them.
pub fn load(files: &Files, contract: &Contract) -> Result<Vec<Case>, Diagnostics> {
    let folder = format!("conformance/cases/{}", contract.name);
    let mut loader = Loader::default();
    let paths = match files.list(&folder, "case") {
        Ok(paths) => paths,
        Err(error) => return Err(unreadable(&folder, PathBuf::from(&folder), &error)),
    };
    for path in paths {
        let name = path
            .strip_prefix("conformance/cases/")
            .unwrap_or(&path)
            .to_owned();
        let place = files.path(&path);
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match files.text(&path) {
            Ok(text) => loader.add(
                contract,
                Source {
                    name,
                    path: place,
                    text,
                },
                &|beside| files.read(&format!("{parent}/{beside}")),
            ),
            Err(error) => loader
                .problems
                .append(&mut unreadable(&name, place, &error).0),
        }
    }
    loader.finish()
}

/// Reads one case file from disk, wherever it lies.
///
/// # Errors
/// Every mistake in it, or that it cannot be read.
pub fn load_file(path: &Path, contract: &Contract) -> Result<Vec<Case>, Diagnostics> {
    let name = path.to_string_lossy().replace('\\', "/");
    let text = match std::fs::read(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }) {
        Ok(text) => text,
        Err(error) => return Err(unreadable(&name, path.to_owned(), &error)),
    };
    load_text(
        Source {
            name,
            path: path.to_owned(),
            text,
        },
        contract,
    )
}

/// Reads cases from a text; files that it names are read from disk, beside its path.
///
/// # Errors
/// Every mistake in it.
pub fn load_text(source: Source, contract: &Contract) -> Result<Vec<Case>, Diagnostics> {
    let folder = source
        .path
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default();
    let mut loader = Loader::default();
    let files = Files::disk(folder);
    loader.add(contract, source, &|beside| files.read(beside));
    loader.finish()
}

/// The contract that a case file's header names, if it names one.
pub fn contract_of(text: &str) -> Option<String> {
    let (_, file, _) = syntax::parse(text);
    file.contract.map(|name| name.text)
}

/// Reads one value, as a case file would write it.
///
/// # Errors
/// What is wrong with it.
pub fn parse_value(text: &str, ty: &Type, contract: &Contract) -> Result<Value, Diagnostics> {
    let expr = check::template::constant(contract, text, ty)?;
    match expr.kind {
        ExprKind::Const(value) => Ok(value),
        _ => Err(Diagnostics::default()),
    }
}

#[derive(Default)]
struct Loader {
    cases: Vec<Case>,
    problems: Vec<Diagnostic>,
    /// Where each id was first used: file, line.
    ids: BTreeMap<String, String>,
}

impl Loader {
    fn add(&mut self, contract: &Contract, source: Source, beside: &Beside<'_>) {
        let source = Arc::new(source);
        let (lexed, file, mut problems) = syntax::parse(&source.text);
        let cases = check::file(contract, &source, beside, &lexed, &file, &mut problems);
        let group = file
            .group
            .as_ref()
            .map(|group| group.text.as_str())
            .unwrap_or_default();
        for case in &file.cases {
            let id = format!("{group}.{}", case.name.text);
            let line = source
                .text
                .get(..case.name.span.start)
                .unwrap_or_default()
                .matches('\n')
                .count()
                + 1;
            let place = format!("{}:{line}", source.name);
            if let Some(before) = self.ids.insert(id.clone(), place) {
                let problem = Problem::new(
                    "duplicate-id",
                    case.name.span,
                    format!("the id `{id}` is used twice"),
                    "again here",
                );
                problems.push(problem.help(format!("first used in {before}")));
            }
        }
        problems.sort_by_key(Problem::start);
        self.problems
            .extend(problems.into_iter().map(|problem| problem.within(&source)));
        self.cases.extend(cases);
    }

    fn finish(self) -> Result<Vec<Case>, Diagnostics> {
        Diagnostics(self.problems).into_result(self.cases)
    }
}

fn unreadable(name: &str, path: PathBuf, error: &io::Error) -> Diagnostics {
    let source = Arc::new(Source {
        name: name.to_owned(),
        path,
        text: String::new(),
    });
    let problem = Problem::new(
        "unreadable",
        Span::default(),
        format!("failed to read {name}: {error}"),
        "this file",
    );
    Diagnostics(vec![problem.within(&source)])
}
