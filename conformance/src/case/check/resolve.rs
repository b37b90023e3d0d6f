//! Which function a path means.

use fixtures::abi::{ResourceId, Type};

use super::super::{
    diagnostic::{Problem, closest_or_all},
    model::FunctionRef,
};
use super::{
    Checker,
    scope::resource_name,
    syntax::{Name, Path},
};
use crate::contract::short_name;

/// What a call in a guest calls.
#[derive(Clone, Debug)]
pub(super) enum Callee {
    /// A function of an interface or the world.
    Function(FunctionRef),
    /// A method on a bound handle.
    Method(FunctionRef, Name),
    /// `grow(PAGES)`
    Grow,
    /// `count()`
    Count,
    /// `keep("NAME", TEXT)`
    Keep,
    /// `kept("NAME")`
    Kept,
    /// `json-number(TEXT, "MEMBER")`
    JsonNumber,
    /// `json-text(TEXT, "MEMBER")`
    JsonText,
}

/// Names that need no import.
const INTRINSICS: [(&str, Callee); 6] = [
    ("grow", Callee::Grow),
    ("count", Callee::Count),
    ("keep", Callee::Keep),
    ("kept", Callee::Kept),
    ("json-number", Callee::JsonNumber),
    ("json-text", Callee::JsonText),
];

impl Checker<'_> {
    /// What a call of this path calls, in a guest of the current world.
    pub(super) fn callee(&mut self, path: &Path) -> Option<Callee> {
        if path.package.is_none()
            && let Some(qualifier) = &path.qualifier
            && let Some(binding) = self.lookup(&qualifier.text)
        {
            let ty = binding.ty.clone();
            return match ty {
                Type::Own(resource) | Type::Borrow(resource) => self
                    .method(&resource, &path.name)
                    .map(|function| Callee::Method(function, qualifier.clone())),
                other => {
                    let message = format!(
                        "`{}` is {}, which has no methods",
                        qualifier.text,
                        self.describe(&other)
                    );
                    self.problems.push(Problem::new(
                        "no-method",
                        qualifier.span,
                        message,
                        "not a handle",
                    ));
                    None
                }
            };
        }
        if path.qualifier.is_none()
            && let Some((_, intrinsic)) =
                INTRINSICS.iter().find(|(name, _)| *name == path.name.text)
            && !self
                .imports()
                .iter()
                .any(|function| function.name == path.name.text)
        {
            return Some(intrinsic.clone());
        }
        self.import(path).map(Callee::Function)
    }

    fn imports(&self) -> Vec<FunctionRef> {
        self.contract
            .world(&self.world)
            .map(|world| world.callable().cloned().collect())
            .unwrap_or_default()
    }

    fn method(&mut self, resource: &ResourceId, name: &Name) -> Option<FunctionRef> {
        let prefix = format!("[method]{}.", resource_name(resource));
        let of = |function: &FunctionRef| matches!(function.ty.params.first(), Some((_, Type::Borrow(found))) if found == resource);
        let methods: Vec<FunctionRef> = self
            .imports()
            .into_iter()
            .filter(|function| of(function) && function.name.starts_with(&prefix))
            .collect();
        if let Some(found) = methods
            .iter()
            .find(|function| function.name[prefix.len()..] == *name.text)
        {
            return Some(found.clone());
        }
        let help = closest_or_all(
            &name.text,
            "methods",
            methods
                .iter()
                .map(|function| &function.name[prefix.len()..]),
        );
        let message = format!(
            "`{}` has no method `{}`",
            resource_name(resource),
            name.text
        );
        self.problems.push(
            Problem::new("unknown-function", name.span, message, "unknown method").maybe_help(help),
        );
        None
    }

    /// The import of this path: a function of an interface or the world, or, with a resource as qualifier, a method, a static
    /// function, `new` (the constructor) or `drop`.
    pub(super) fn import(&mut self, path: &Path) -> Option<FunctionRef> {
        let imports = self.imports();
        let written = path.qualifier.as_ref().map(|name| name.text.as_str());
        let package = path.package.as_ref().map(|name| name.text.as_str());
        let name = path.name.text.as_str();
        let within = |function: &&FunctionRef| in_interface(function, package, written);
        let found: Vec<&FunctionRef> = imports
            .iter()
            .filter(within)
            .filter(|function| function.name == name)
            .collect();
        match found.as_slice() {
            [function] => return Some((*function).clone()),
            [] => {}
            several => {
                let ways: Vec<String> = several
                    .iter()
                    .filter_map(|function| function.interface.as_deref())
                    .map(|interface| format!("`{}.{name}`", without_version(interface)))
                    .collect();
                let problem = Problem::new(
                    "ambiguous-function",
                    path.span,
                    format!("several interfaces have a function `{name}`"),
                    "ambiguous",
                );
                self.problems
                    .push(problem.help(format!("write {}", ways.join(" or "))));
                return None;
            }
        }
        if let (Some(resource), None) = (written, package) {
            let forms = [
                format!("[method]{resource}.{name}"),
                format!("[static]{resource}.{name}"),
            ];
            let special = match name {
                "drop" => format!("[resource-drop]{resource}"),
                "new" => format!("[constructor]{resource}"),
                _ => String::new(),
            };
            if let Some(function) = imports
                .iter()
                .find(|function| forms.contains(&function.name))
                .or_else(|| imports.iter().find(|function| function.name == special))
            {
                return Some(function.clone());
            }
        }
        self.unknown_import(path, &imports, package, written);
        None
    }

    fn unknown_import(
        &mut self,
        path: &Path,
        imports: &[FunctionRef],
        package: Option<&str>,
        qualifier: Option<&str>,
    ) {
        let free = |function: &&FunctionRef| !function.name.starts_with('[');
        let name = path.name.text.as_str();
        if let Some(qualifier) = qualifier {
            let known = imports
                .iter()
                .any(|function| in_interface(function, package, Some(qualifier)));
            let resource = imports.iter().any(|function| {
                function.name.ends_with(&format!("]{qualifier}"))
                    || function.name.contains(&format!("]{qualifier}."))
            });
            if !known && !resource {
                let interfaces = imports
                    .iter()
                    .filter_map(|function| function.interface.as_deref())
                    .map(short_name);
                let names: std::collections::BTreeSet<&str> = interfaces
                    .chain(self.scope.iter().map(|binding| binding.name.as_str()))
                    .collect();
                let place = path.qualifier.as_ref().map_or(path.span, |name| name.span);
                let message = format!(
                    "`{qualifier}` is neither bound nor an interface of world `{}`",
                    self.world
                );
                self.problems.push(
                    Problem::new("unknown-name", place, message, "unknown")
                        .maybe_help(closest_or_all(qualifier, "known here", names)),
                );
                return;
            }
        }
        let help = if qualifier.is_none() && self.contract.driver_function(name).is_some() {
            Some(format!(
                "`{name}` is a function of the driver: call it in the `host` block"
            ))
        } else if qualifier.is_none()
            && imports.iter().any(|function| {
                function.name.starts_with("[method]")
                    && function.name.ends_with(&format!(".{name}"))
            })
        {
            Some(format!(
                "`{name}` is a method: call it on a bound handle, as in `r.{name}()`"
            ))
        } else {
            let names = imports
                .iter()
                .filter(|function| {
                    qualifier.is_none() || in_interface(function, package, qualifier)
                })
                .filter(free);
            closest_or_all(
                name,
                "functions",
                names.map(|function| function.name.as_str()),
            )
        };
        let message = format!(
            "world `{}` imports no function `{}`",
            self.world,
            path_text(path)
        );
        self.problems.push(
            Problem::new(
                "unknown-function",
                path.name.span,
                message,
                "unknown function",
            )
            .maybe_help(help),
        );
    }

    /// The export of this path.
    pub(super) fn export(&mut self, path: &Path) -> Option<FunctionRef> {
        let exports = self
            .contract
            .world(&self.world)
            .map(|world| world.exports.clone())
            .unwrap_or_default();
        let written = path.qualifier.as_ref().map(|name| name.text.as_str());
        let package = path.package.as_ref().map(|name| name.text.as_str());
        let found: Vec<&FunctionRef> = exports
            .iter()
            .filter(|function| {
                in_interface(function, package, written) && function.name == path.name.text
            })
            .collect();
        match found.as_slice() {
            [function] => Some((*function).clone()),
            [] => {
                let help = closest_or_all(
                    &path.name.text,
                    "exports",
                    exports.iter().map(|function| function.name.as_str()),
                );
                let message = format!("world `{}` has no export `{}`", self.world, path_text(path));
                self.problems.push(
                    Problem::new("unknown-export", path.name.span, message, "unknown export")
                        .maybe_help(help),
                );
                None
            }
            _ => {
                let problem = Problem::new(
                    "ambiguous-function",
                    path.span,
                    format!("several interfaces export `{}`", path.name.text),
                    "ambiguous",
                );
                self.problems.push(problem.help("write `interface.name`"));
                None
            }
        }
    }
}

/// Whether a function lies in the interface that is written; without one, any will do.
fn in_interface(function: &FunctionRef, package: Option<&str>, interface: Option<&str>) -> bool {
    let Some(wanted) = interface else { return true };
    let Some(own) = function.interface.as_deref() else {
        return false;
    };
    let own_package = without_version(own)
        .rsplit_once('/')
        .map_or("", |(package, _)| package);
    let fits =
        |package: &str| own_package == package || own_package.rsplit(':').next() == Some(package);
    short_name(own) == wanted && package.is_none_or(fits)
}

fn without_version(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}

fn path_text(path: &Path) -> String {
    let mut text = String::new();
    if let Some(package) = &path.package {
        text.push_str(&package.text);
        text.push('/');
    }
    if let Some(qualifier) = &path.qualifier {
        text.push_str(&qualifier.text);
        text.push('.');
    }
    text.push_str(&path.name.text);
    text
}
