//! `catalogue.txt`: what the contract is known to promise, a row each, and of which kind each row is.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::contract::{Contract, ContractError, Files};

/// What a case may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The function succeeds.
    Ok,
    /// It fails, as it should.
    Error,
    /// A value or a moment at the rim of what is allowed.
    Edge,
    /// Size, number, time.
    Limit,
    /// What comes before what.
    Order,
    /// What does not reach others: instances, plugins, calls.
    Isolation,
    /// A guest that breaks the rules.
    Misuse,
}

impl Kind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [Kind; 7] = [
        Kind::Ok,
        Kind::Error,
        Kind::Edge,
        Kind::Limit,
        Kind::Order,
        Kind::Isolation,
        Kind::Misuse,
    ];

    /// The word that a catalogue writes.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ok => "ok",
            Kind::Error => "error",
            Kind::Edge => "edge",
            Kind::Limit => "limit",
            Kind::Order => "order",
            Kind::Isolation => "isolation",
            Kind::Misuse => "misuse",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(word: &str) -> Result<Kind, ()> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or(())
    }
}

/// A catalogue; empty for a contract that has none yet.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// In the order of the file.
    pub rows: Vec<Row>,
}

/// A row of a catalogue: `ID` or `ID KIND[,KIND...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The id of a case, or what the ids of several begin with.
    pub id: String,
    /// What its cases are about.
    pub kinds: Vec<Kind>,
}

/// Why a catalogue cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The file is there, and can't be read.
    #[error("failed to read {path}")]
    Read {
        /// In the tree.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A row is none.
    #[error("{path}:{line}: {reason}")]
    Row {
        /// In the tree.
        path: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// There is no telling which contracts there are.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

impl Catalogue {
    /// The catalogue of a contract, from the tree it was read from.
    ///
    /// # Errors
    /// When the file can't be read or has a row that is none.
    pub fn load(files: &Files, contract: &Contract) -> Result<Catalogue, CatalogueError> {
        let path = format!("conformance/cases/{}/catalogue.txt", contract.name);
        match files.text(&path) {
            Ok(text) => Catalogue::parse(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Catalogue::default()),
            Err(source) => Err(CatalogueError::Read { path, source }),
        }
    }

    /// Reads rows; `#` starts a comment.
    ///
    /// # Errors
    /// When a row has a kind that is none, or an id stands twice.
    pub fn parse(path: &str, text: &str) -> Result<Catalogue, CatalogueError> {
        let mut rows: Vec<Row> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let wrong = |reason: String| CatalogueError::Row {
                path: path.to_owned(),
                line: index + 1,
                reason,
            };
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(id) = words.next() else {
                continue;
            };
            let written = words.collect::<String>();
            let mut kinds = Vec::new();
            for word in written.split(',').filter(|word| !word.is_empty()) {
                let kind = word.parse().map_err(|()| {
                    let known = Kind::ALL.map(Kind::name).join(", ");
                    wrong(format!("no kind `{word}`; there is {known}"))
                })?;
                if kinds.contains(&kind) {
                    return Err(wrong(format!("the kind `{word}` stands twice")));
                }
                kinds.push(kind);
            }
            if rows.iter().any(|row| row.id == id) {
                return Err(wrong(format!("the row `{id}` stands twice")));
            }
            rows.push(Row {
                id: id.to_owned(),
                kinds,
            });
        }
        Ok(Catalogue { rows })
    }

    /// What a case is about: the kinds of the row that is its id, or else its longest beginning up to a dot.
    pub fn kinds_of(&self, case: &str) -> &[Kind] {
        let begins = |row: &&Row| {
            let rest = case.strip_prefix(row.id.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let row = self
            .rows
            .iter()
            .filter(begins)
            .max_by_key(|row| row.id.len());
        row.map_or(&[], |row| &row.kinds)
    }
}
