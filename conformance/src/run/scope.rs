//! Names that a case binds: those of the host steps, those of each instance, and the sets that all of them share.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use fixtures::abi::{Type, Value};

use crate::{
    case::model::{Expr, TextPart},
    judge::{
        evaluate::{self, Lookup},
        pattern,
        walk::Names,
    },
    plan::Surroundings,
};

/// What `distinct` and `same` have met so far, over the whole case.
#[derive(Default)]
pub(super) struct Shared {
    met: HashMap<String, Vec<Value>>,
}

/// The names that are known in one place.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    values: HashMap<String, Value>,
    turns: HashMap<String, u32>,
    /// Ids of the instances of each guest, in the order of their launch.
    pub(super) instances: HashMap<String, Vec<String>>,
    surroundings: &'a Surroundings,
    shared: Rc<RefCell<Shared>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(surroundings: &'a Surroundings) -> Self {
        Scope {
            values: HashMap::new(),
            turns: HashMap::new(),
            instances: HashMap::new(),
            surroundings,
            shared: Rc::default(),
        }
    }

    /// A scope with nothing bound, which shares what `distinct` and `same` have met.
    pub(super) fn fresh(&self) -> Self {
        Scope {
            values: HashMap::new(),
            turns: HashMap::new(),
            instances: HashMap::new(),
            ..self.clone()
        }
    }

    /// The value of an expression.
    pub(super) fn evaluate(&self, expr: &Expr) -> Result<Value, String> {
        evaluate::evaluate(expr, self)
    }
}

impl Lookup for Scope<'_> {
    fn var(&self, name: &str) -> Option<Value> {
        self.values
            .get(name)
            .cloned()
            .or_else(|| Some(Value::String(self.instances.get(name)?.first()?.clone())))
    }

    fn turn(&self, name: &str) -> Option<u32> {
        self.turns.get(name).copied()
    }

    fn surrounding(&self, name: &str) -> Option<String> {
        self.surroundings.get(name).cloned()
    }

    fn instance(&self, guest: &str, index: u32) -> Option<Value> {
        self.instances
            .get(guest)?
            .get(index as usize)
            .cloned()
            .map(Value::String)
    }
}

impl pattern::Scope for Scope<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        self.var(name)
    }

    fn bind(&mut self, name: &str, value: Value, _ty: &Type) {
        self.values.insert(name.to_owned(), value);
    }

    fn evaluate(&self, expr: &Expr) -> Result<Value, String> {
        Scope::evaluate(self, expr)
    }

    fn text(&self, parts: &[TextPart]) -> Result<String, String> {
        evaluate::text(parts, self)
    }

    fn distinct(&self, name: &str, value: &Value) -> bool {
        !self
            .shared
            .borrow()
            .met
            .get(name)
            .is_some_and(|met| met.contains(value))
    }

    fn same(&self, name: &str, value: &Value) -> bool {
        self.shared
            .borrow()
            .met
            .get(name)
            .is_none_or(|met| met.iter().all(|other| other == value))
    }

    fn meet(&mut self, name: &str, value: &Value) {
        self.shared
            .borrow_mut()
            .met
            .entry(name.to_owned())
            .or_default()
            .push(value.clone());
    }
}

impl Names for Scope<'_> {
    fn turn(&mut self, name: &str, turn: u32) {
        self.turns.insert(name.to_owned(), turn);
    }
}
