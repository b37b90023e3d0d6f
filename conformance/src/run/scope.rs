//! Names that a case binds: those of the host steps, those of each instance, and the sets that all of them share.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use fixtures::abi::{Type, Value};

use crate::{
    case::model::{Expr, TextPart},
    judge::{
        evaluate::{self, Lookup},
        pattern,
    },
    plan::Surroundings,
};

/// What `distinct` and `same` have met so far, over the whole case.
#[derive(Default)]
pub(super) struct Shared {
    distinct: HashMap<String, Vec<Value>>,
    same: HashMap<String, Value>,
}

/// The names that are known in one place.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    values: HashMap<String, Value>,
    /// Ids of the instances of each guest, in the order of their launch.
    pub(super) instances: HashMap<String, Vec<String>>,
    surroundings: &'a Surroundings,
    shared: Rc<RefCell<Shared>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(surroundings: &'a Surroundings) -> Self {
        Scope {
            values: HashMap::new(),
            instances: HashMap::new(),
            surroundings,
            shared: Rc::default(),
        }
    }

    /// A scope with nothing bound, which shares what `distinct` and `same` have met.
    pub(super) fn fresh(&self) -> Self {
        Scope { values: HashMap::new(), instances: HashMap::new(), ..self.clone() }
    }

    /// Sets a loop variable.
    pub(super) fn turn(&mut self, name: &str, turn: u32) {
        self.values.insert(name.to_owned(), Value::U32(turn));
    }

    /// The value of an expression.
    pub(super) fn evaluate(&self, expr: &Expr) -> Result<Value, String> {
        evaluate::evaluate(expr, self)
    }
}

impl Lookup for Scope<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        self.values
            .get(name)
            .cloned()
            .or_else(|| Some(Value::String(self.instances.get(name)?.first()?.clone())))
    }

    fn instance(&self, guest: &str, index: usize) -> Option<String> {
        self.instances.get(guest)?.get(index).cloned()
    }

    fn surrounding(&self, name: &str) -> Option<String> {
        self.surroundings.get(name).cloned()
    }
}

impl pattern::Scope for Scope<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        Lookup::value(self, name)
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

    fn distinct(&mut self, name: &str, value: &Value) -> bool {
        let mut shared = self.shared.borrow_mut();
        let met = shared.distinct.entry(name.to_owned()).or_default();
        let fresh = !met.contains(value);
        met.push(value.clone());
        fresh
    }

    fn same(&mut self, name: &str, value: &Value) -> bool {
        self.shared.borrow_mut().same.entry(name.to_owned()).or_insert_with(|| value.clone()) == value
    }
}
