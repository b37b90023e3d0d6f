//! Worlds made ready for puppets, once for a run.

use std::{collections::HashMap, sync::Arc};

use fixtures::puppet;
use wit_parser::{Docs, InterfaceId, Resolve, Span, Stability, WorldItem, WorldKey};

use crate::contract::{self, Contract};

/// Worlds of a contract, made ready for puppets.
#[derive(Debug, Default)]
pub struct Worlds {
    ready: HashMap<String, Ready>,
}

#[derive(Debug)]
struct Ready {
    exact: Arc<puppet::World>,
    /// With the interfaces that a host links on a grant.
    extended: Option<Arc<puppet::World>>,
}

impl Worlds {
    /// Makes every world of the contract ready.
    ///
    /// # Errors
    /// When a world can't have puppets (it uses async functions).
    pub fn new(contract: &Contract) -> Result<Worlds, puppet::WorldError> {
        let mut ready = HashMap::new();
        for (name, world) in &contract.worlds {
            let exact = Arc::new(puppet::World::new(&contract.resolve, world.id)?);
            let extended = match world.optional.is_empty() {
                true => None,
                false => Some(Arc::new(puppet::World::new(
                    &extended(contract, world),
                    world.id,
                )?)),
            };
            ready.insert(name.clone(), Ready { exact, extended });
        }
        Ok(Worlds { ready })
    }

    /// The world as it is, or with its optional interfaces.
    pub(super) fn get(&self, name: &str, optional: bool) -> Option<&Arc<puppet::World>> {
        let ready = self.ready.get(name)?;
        Some(
            ready
                .extended
                .as_ref()
                .filter(|_| optional)
                .unwrap_or(&ready.exact),
        )
    }
}

/// The contract's package with the world's optional interfaces among its imports.
fn extended(contract: &Contract, world: &contract::World) -> Resolve {
    let mut resolve = contract.resolve.clone();
    let wanted: Vec<InterfaceId> = resolve
        .interfaces
        .iter()
        .map(|(id, _)| id)
        .filter(|id| {
            let name = resolve.id_of(*id);
            world
                .optional
                .iter()
                .any(|function| function.interface == name)
        })
        .collect();
    for id in wanted {
        let item = WorldItem::Interface {
            id,
            stability: Stability::Unknown,
            external_id: None,
            docs: Docs::default(),
            span: Span::default(),
        };
        if let Some(world) = resolve.worlds.get_mut(world.id) {
            world.imports.insert(WorldKey::Interface(id), item);
        }
    }
    resolve
}
