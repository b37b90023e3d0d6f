//! The functions of a contract, each once, though several worlds have it.

use fixtures::abi::Type;

use crate::{
    case::model::FunctionRef,
    contract::{Contract, World, short_name},
};

/// Whether guests call a function or are called by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Guests import it.
    Import,
    /// Guests export it.
    Export,
}

impl Direction {
    /// `import` or `export`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Import => "import",
            Direction::Export => "export",
        }
    }
}

/// A function of a contract's worlds.
#[derive(Clone, Debug)]
pub struct Function {
    /// As a case calls it, with its interface: `core.store-get`, `core.queue.synchronize`, `invoke-scalar`.
    pub name: String,
    /// Which way it is called.
    pub direction: Direction,
    /// The worlds that have it.
    pub worlds: Vec<String>,
    /// Whether there is a way for it to fail: its result is a `result`, the contract's `refusal` says how, or, of an export,
    /// what the driver answers.
    pub can_fail: bool,
    /// Without the interface: `queue.synchronize`.
    own: String,
    pub(super) interface: Option<String>,
    pub(super) wit: String,
    /// Driver functions that answer with what came of this export.
    pub(super) answers: Vec<String>,
}

impl Function {
    /// Whether labels of an id are this function's name: `store-get` in `pie.core.store-get.missing-key`, `agg` and `update` for
    /// `agg-update`.
    pub fn is_named_by(&self, id: &str) -> bool {
        let labels: Vec<&str> = id.split('.').collect();
        let width = self.own.matches(['.', '-']).count() + 1;
        (1..=width.min(labels.len())).any(|width| {
            labels
                .windows(width)
                .any(|window| window.join(".") == self.own || window.join("-") == self.own)
        })
    }

    pub(super) fn is(&self, direction: Direction, function: &FunctionRef) -> bool {
        self.direction == direction
            && self.wit == function.name
            && self.interface == function.interface
    }
}

/// The functions of all worlds: imports in order, then exports.
pub(super) fn of(contract: &Contract) -> Vec<Function> {
    let mut all = Vec::new();
    for world in contract.worlds.values() {
        for function in world.callable() {
            add(contract, world, Direction::Import, function, &mut all);
        }
    }
    for world in contract.worlds.values() {
        for function in &world.exports {
            add(contract, world, Direction::Export, function, &mut all);
        }
    }
    all
}

fn add(
    contract: &Contract,
    world: &World,
    direction: Direction,
    function: &FunctionRef,
    all: &mut Vec<Function>,
) {
    if function.name.starts_with("[resource-drop]") {
        return;
    }
    if let Some(known) = all.iter_mut().find(|known| known.is(direction, function)) {
        if !known.worlds.contains(&world.name) {
            known.worlds.push(world.name.clone());
        }
        return;
    }
    let own = readable(&function.name);
    let name = match &function.interface {
        Some(interface) => format!("{}.{own}", short_name(interface)),
        None => own.clone(),
    };
    let answers = match direction {
        Direction::Import => Vec::new(),
        Direction::Export => answers(contract, function),
    };
    let result = function.ty.result.as_ref();
    let can_fail = matches!(result, Some(Type::Result(..)))
        || match direction {
            Direction::Import => world.refusal.is_some() && result == Some(&Type::String),
            Direction::Export => answers.iter().any(|name| {
                let answer = contract.driver_function(name);
                let ty = answer.and_then(|answer| answer.function.ty.result.as_ref());
                matches!(ty, Some(Type::Result(..)))
            }),
        };
    all.push(Function {
        name,
        direction,
        worlds: vec![world.name.clone()],
        can_fail,
        own,
        interface: function.interface.clone(),
        wit: function.name.clone(),
        answers,
    });
}

/// Driver functions that `contract.toml` names for an export, or else the one that is called like it.
fn answers(contract: &Contract, export: &FunctionRef) -> Vec<String> {
    match contract.answers.get(&export.name) {
        Some(names) => names.clone(),
        None => {
            let same = contract.driver_function(&export.name);
            same.map(|same| same.function.name.clone())
                .into_iter()
                .collect()
        }
    }
}

/// `queue.synchronize` of `[method]queue.synchronize`.
fn readable(name: &str) -> String {
    match name.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(("constructor", resource)) => format!("{resource}.new"),
        Some((_, own)) => own.to_owned(),
        None => name.to_owned(),
    }
}
