//! All contracts and all their cases, loaded and checked.

use std::collections::HashMap;

use crate::{
    case::{self, Diagnostics, model::Case},
    contract::{Contract, ContractError, Files},
    plan::Worlds,
};

/// A loaded suite.
#[derive(Debug)]
pub struct Suite {
    /// Contracts and their worlds, by name.
    pub contracts: HashMap<String, (Contract, Worlds)>,
    /// Every case, by contract and file, in the order they are written.
    pub cases: Vec<Case>,
}

/// Why a suite can't be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// A contract can't be read.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// Its worlds can't have puppets.
    #[error("contract `{contract}`: {error}")]
    World {
        /// The contract.
        contract: String,
        /// Why.
        error: fixtures::puppet::WorldError,
    },
    /// Case files have mistakes.
    #[error("{0}")]
    Cases(Diagnostics),
}

impl Suite {
    /// Loads every contract of the tree.
    ///
    /// # Errors
    /// When a contract or a case file has mistakes; all mistakes of the case files of one contract are told at once.
    pub fn load(files: &Files) -> Result<Suite, SuiteError> {
        Suite::load_only(files, None)
    }

    /// Loads one contract of the tree, or all of them: a mistake in another contract's files is none of this one's.
    ///
    /// # Errors
    /// As [`Suite::load`].
    pub fn load_only(files: &Files, contract: Option<&str>) -> Result<Suite, SuiteError> {
        let mut suite = Suite {
            contracts: HashMap::new(),
            cases: Vec::new(),
        };
        for name in Contract::names(files)? {
            if contract.is_some_and(|only| only != name) {
                continue;
            }
            let contract = Contract::load(files, &name)?;
            suite
                .cases
                .extend(case::load(files, &contract).map_err(SuiteError::Cases)?);
            let worlds = Worlds::new(&contract).map_err(|error| SuiteError::World {
                contract: name.clone(),
                error,
            })?;
            suite.contracts.insert(name, (contract, worlds));
        }
        Ok(suite)
    }
}
