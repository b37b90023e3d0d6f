//! What a WIT package offers, as the case language names it: functions of worlds and of the driver interface.

use fixtures::abi::{FuncType, ResourceId, Type, Unsupported};
use wit_parser::{Function, InterfaceId, Resolve, TypeDefKind, WorldId, WorldItem, WorldKey};

use crate::case::model::FunctionRef;

/// Functions of the imports or the exports of a world; for imported interfaces also `[resource-drop]` of each resource.
pub(super) fn of_world<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
    drops: bool,
) -> Result<Vec<FunctionRef>, Unsupported> {
    let mut all = Vec::new();
    for (key, item) in items {
        match item {
            WorldItem::Interface { id, .. } => all.extend(of_interface(
                resolve,
                *id,
                &resolve.name_world_key(key),
                drops,
            )?),
            WorldItem::Function(function) => all.push(reference(resolve, None, function)?),
            WorldItem::Type { .. } => {}
        }
    }
    Ok(all)
}

/// Functions of an interface under this name.
pub(super) fn of_interface(
    resolve: &Resolve,
    id: InterfaceId,
    name: &str,
    drops: bool,
) -> Result<Vec<FunctionRef>, Unsupported> {
    let Some(interface) = resolve.interfaces.get(id) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for function in interface.functions.values() {
        all.push(reference(resolve, Some(name), function)?);
    }
    for (label, ty) in interface.types.iter().filter(|_| drops) {
        if matches!(
            resolve.types.get(*ty).map(|ty| &ty.kind),
            Some(TypeDefKind::Resource)
        ) {
            let owner = resolve.id_of(id).unwrap_or_else(|| name.to_owned());
            let resource = Type::Own(ResourceId(format!("{owner}.{label}").into()));
            let ty = FuncType {
                params: vec![("self".into(), resource)],
                result: None,
            };
            all.push(FunctionRef {
                interface: Some(name.to_owned()),
                name: format!("[resource-drop]{label}"),
                ty,
            });
        }
    }
    Ok(all)
}

fn reference(
    resolve: &Resolve,
    interface: Option<&str>,
    function: &Function,
) -> Result<FunctionRef, Unsupported> {
    let ty = FuncType::from_wit(resolve, function)?;
    Ok(FunctionRef {
        interface: interface.map(str::to_owned),
        name: function.name.clone(),
        ty,
    })
}

/// Imports of a world.
pub(super) fn imports(resolve: &Resolve, world: WorldId) -> Result<Vec<FunctionRef>, Unsupported> {
    match resolve.worlds.get(world) {
        Some(world) => of_world(resolve, world.imports.iter(), true),
        None => Ok(Vec::new()),
    }
}

/// Exports of a world.
pub(super) fn exports(resolve: &Resolve, world: WorldId) -> Result<Vec<FunctionRef>, Unsupported> {
    match resolve.worlds.get(world) {
        Some(world) => of_world(resolve, world.exports.iter(), false),
        None => Ok(Vec::new()),
    }
}

/// The names behind `Capability:` in a doc comment.
pub(super) fn capability(docs: Option<&str>) -> Option<String> {
    let docs = docs?;
    let at = docs.find("Capability: ")?;
    let rest = &docs[at + "Capability: ".len()..];
    let length = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .unwrap_or(rest.len());
    (length > 0).then(|| rest[..length].to_owned())
}

/// `core` of `pie:inferlet/core@0.1.0`.
pub(crate) fn short_name(interface: &str) -> &str {
    let name = interface.rsplit('/').next().unwrap_or(interface);
    name.split('@').next().unwrap_or(name)
}
