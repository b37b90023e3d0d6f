//! What the cases of a contract cover: functions of the WIT by kinds of outcome. Whether a function succeeds or fails in a
//! case is read off the checked case; what else a case is about is said by the contract's catalogue.

mod catalogue;
mod functions;
mod outcomes;

use std::collections::BTreeSet;

pub use self::{
    catalogue::{Catalogue, CatalogueError, Kind, Row},
    functions::{Direction, Function},
};
use crate::{
    case::model::{Case, Level},
    contract::Contract,
};

/// The functions of a contract and how often its cases cover them.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The contract's name.
    pub contract: String,
    /// In the order of the WIT: what guests import, then what they export.
    pub rows: Vec<Covered>,
}

/// One function and its cases.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The function.
    pub function: Function,
    /// By kind, in the order of [`Kind::ALL`].
    pub cells: [Cell; Kind::ALL.len()],
}

/// How many cases there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// All of them.
    pub cases: usize,
    /// Those of the level `must` that every host is held to.
    pub must: usize,
}

impl Covered {
    /// The cell of a kind.
    pub fn cell(&self, kind: Kind) -> Cell {
        self.cells.get(kind as usize).copied().unwrap_or_default()
    }
}

impl Matrix {
    /// Counts the cases of this contract.
    pub fn new<'a>(
        contract: &Contract,
        catalogue: &Catalogue,
        cases: impl IntoIterator<Item = &'a Case>,
    ) -> Matrix {
        let functions = functions::of(contract);
        let mut cells = vec![[Cell::default(); Kind::ALL.len()]; functions.len()];
        for case in cases {
            let must = case.level == Level::Must && case.profile.is_none();
            for (index, kind) in covers(contract, &functions, catalogue, case) {
                if let Some(cell) = cells
                    .get_mut(index)
                    .and_then(|row| row.get_mut(kind as usize))
                {
                    cell.cases += 1;
                    cell.must += usize::from(must);
                }
            }
        }
        let rows = functions.into_iter().zip(cells);
        Matrix {
            contract: contract.name.clone(),
            rows: rows
                .map(|(function, cells)| Covered { function, cells })
                .collect(),
        }
    }

    /// Cells that rows of the catalogue are about and that no case fills, each with its first such row. Rows that `gap` knows
    /// ask for nothing.
    pub fn empty<'c>(
        &self,
        catalogue: &'c Catalogue,
        gap: impl Fn(&str) -> bool,
    ) -> Vec<(&Function, Kind, &'c str)> {
        let mut empty = Vec::new();
        for covered in &self.rows {
            for kind in Kind::ALL {
                let asks = |row: &&Row| {
                    row.kinds.contains(&kind)
                        && covered.function.is_named_by(&row.id)
                        && !gap(&row.id)
                };
                if covered.cell(kind).cases == 0
                    && let Some(row) = catalogue.rows.iter().find(asks)
                {
                    empty.push((&covered.function, kind, row.id.as_str()));
                }
            }
        }
        empty
    }
}

/// The cells that a case counts for.
fn covers(
    contract: &Contract,
    functions: &[Function],
    catalogue: &Catalogue,
    case: &Case,
) -> BTreeSet<(usize, Kind)> {
    let used = outcomes::of(contract, functions, case);
    let named: Vec<usize> = used
        .keys()
        .copied()
        .filter(|index| functions[*index].is_named_by(&case.id))
        .collect();
    let mut cells = BTreeSet::new();
    for (index, outcome) in &used {
        if outcome.succeeds {
            cells.insert((*index, Kind::Ok));
        }
        // What an answer of the host says is said of the export that the case is about.
        let meant = outcome.own_failure || named.is_empty() || named.contains(index);
        if outcome.fails && meant {
            cells.insert((*index, Kind::Error));
        }
    }
    let derived = |kind: &Kind| matches!(kind, Kind::Ok | Kind::Error);
    let about: Vec<usize> = match named.is_empty() {
        false => named,
        true => {
            let busy: Vec<usize> = used
                .iter()
                .filter(|(_, outcome)| !outcome.by_the_way)
                .map(|(index, _)| *index)
                .collect();
            match busy.is_empty() {
                true => used.keys().copied().collect(),
                false => busy,
            }
        }
    };
    for kind in catalogue
        .kinds_of(&case.id)
        .iter()
        .filter(|kind| !derived(kind))
    {
        cells.extend(about.iter().map(|index| (*index, *kind)));
    }
    cells
}
