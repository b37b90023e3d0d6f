//! What SQL of an agent may do, asked by SQLite while it prepares a statement, its triggers and views included.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Pragmas that only tell something, also with an argument.
const TELLING: [&str; 12] = [
    "collation_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Pragmas that tell something as long as they have no argument.
const TELLING_BARE: [&str; 10] = [
    "application_id",
    "data_version",
    "defer_foreign_keys",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "page_count",
    "page_size",
    "schema_version",
    "user_version",
];

/// Pragmas that `db-execute` may set: they concern the agent's own data, or its connection, alone.
const SETTABLE: [&str; 4] = [
    "application_id",
    "defer_foreign_keys",
    "foreign_keys",
    "user_version",
];

/// Functions that reach beyond the database, or into the engine.
const FORBIDDEN: [&str; 5] = [
    "edit",
    "fts3_tokenizer",
    "load_extension",
    "readfile",
    "writefile",
];

/// Modules of virtual tables that keep their data in the database.
const MODULES: [&str; 6] = ["fts3", "fts4", "fts5", "fts5vocab", "rtree", "rtree_i32"];

/// Whose statement is prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// The host's own.
    #[default]
    Host,
    /// One of `db-query`.
    Query,
    /// One of `db-execute`.
    Execute,
}

/// Decides, and remembers what it refused first.
#[derive(Debug, Default)]
pub(super) struct Guard(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    refused: Option<String>,
}

impl Guard {
    /// From now on for statements of this mode, of which none was refused yet.
    pub(super) fn enter(&self, mode: Mode) {
        *self.state() = State {
            mode,
            refused: None,
        };
    }

    /// From now on for statements of the host.
    pub(super) fn leave(&self) {
        self.state().mode = Mode::Host;
    }

    /// What was refused since the last time this was asked.
    pub(super) fn take_refusal(&self) -> Option<String> {
        self.state().refused.take()
    }

    /// SQLite's question.
    pub(super) fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        let mut state = self.state();
        let refusal = match state.mode {
            Mode::Host => None,
            Mode::Query => reaching_out(&context.action).or_else(|| writing(&context.action)),
            Mode::Execute => reaching_out(&context.action).or_else(|| setting(&context.action)),
        };
        match refusal {
            None => Authorization::Allow,
            Some(refusal) => {
                state.refused.get_or_insert(refusal);
                Authorization::Deny
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What no statement may do.
fn reaching_out(action: &AuthAction<'_>) -> Option<String> {
    match action {
        // An empty or a missing name is VACUUM's.
        AuthAction::Attach { .. } => Some("ATTACH and VACUUM".into()),
        AuthAction::Detach { .. } => Some("DETACH".into()),
        AuthAction::Function { function_name } => FORBIDDEN
            .iter()
            .any(|name| name.eq_ignore_ascii_case(function_name))
            .then(|| format!("the function {function_name}")),
        AuthAction::CreateVtable { module_name, .. } => (!MODULES
            .iter()
            .any(|name| name.eq_ignore_ascii_case(module_name)))
        .then(|| format!("the module {module_name}")),
        AuthAction::Unknown { code: 24, .. } => Some("ATTACH and VACUUM".into()),
        AuthAction::Unknown { .. } => Some("this statement".into()),
        _ => None,
    }
}

/// What a query may not do.
fn writing(action: &AuthAction<'_>) -> Option<String> {
    match action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Function { .. } => None,
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => (!is_telling(pragma_name, pragma_value.is_some()))
            .then(|| format!("the pragma {pragma_name} in a query")),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("a transaction in a query".into())
        }
        _ => Some("a write in a query".into()),
    }
}

/// What `db-execute` may not set.
fn setting(action: &AuthAction<'_>) -> Option<String> {
    let AuthAction::Pragma {
        pragma_name,
        pragma_value,
    } = action
    else {
        return None;
    };
    let fine = is_telling(pragma_name, pragma_value.is_some()) || listed(&SETTABLE, pragma_name);
    (!fine).then(|| format!("the pragma {pragma_name}"))
}

fn is_telling(pragma: &str, has_value: bool) -> bool {
    listed(&TELLING, pragma) || (!has_value && listed(&TELLING_BARE, pragma))
}

fn listed(list: &[&str], name: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(name))
}
