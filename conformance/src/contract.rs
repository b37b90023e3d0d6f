//! A contract: a WIT package, the driver interface a host offers for it, and how the two meet (`contract.toml`). Nothing
//! in the machinery knows a contract by name; this is where its particulars are read from.

mod files;
mod functions;
mod manifest;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use fixtures::abi::{Type, Unsupported, Value};
use indexmap::IndexMap;
use thiserror::Error;
use wit_parser::{PackageId, Resolve, SourceMap, TypeDefKind, WorldId};

pub use self::files::Files;
pub(crate) use self::functions::short_name;
use self::manifest::Manifest;
use crate::{
    case::{
        Diagnostics,
        model::{Call, Expr, ExprKind, FunctionRef, Pattern, Span},
    },
    payload::schema::{Schema, SchemaError},
};

/// A loaded contract.
#[derive(Clone, Debug)]
pub struct Contract {
    /// Its folder under `conformance/cases`, as in `pie`.
    pub name: String,
    /// What it is, in a few words.
    pub title: String,
    /// Folder of its WIT package under `wit`.
    pub wit: String,
    /// The package and all it uses.
    pub resolve: Resolve,
    /// The contract's package in `resolve`.
    pub package: PackageId,
    /// Worlds of the package that `contract.toml` lists.
    pub worlds: IndexMap<String, World>,
    /// What a host offers to be driven.
    pub driver: Driver,
    /// The driver's `environment` record where a case gives nothing else.
    pub environment: Expr,
    /// Every capability a host may declare, with what it means where `contract.toml` says so.
    pub capabilities: BTreeMap<String, String>,
    /// Profiles, with what they are: a case of one holds a host to limits or texts that are not the contract's.
    pub profiles: BTreeMap<String, String>,
    /// For exports, the driver functions whose answers tell what came of calling them.
    pub answers: BTreeMap<String, Vec<String>>,
    /// JSON Schemas that cases may name: the files of the folder `schemas`.
    pub schemas: BTreeMap<String, Schema>,
    /// The event that carries what guests say through their side channel.
    pub side_event: Option<SideEvent>,
    /// The event that tells how an instance ended, for contracts whose instances run by themselves.
    pub ended_event: Option<EndedEvent>,
    /// The case of the error variants of the driver's functions that says that the guest trapped, for contracts whose
    /// guests can hand out nothing before a trap.
    pub trapped: Option<String>,
}

/// A world of a contract.
#[derive(Clone, Debug)]
pub struct World {
    /// Its name in the package.
    pub name: String,
    /// In [`Contract::resolve`].
    pub id: WorldId,
    /// Every function that its guests may import by the world itself, with methods and `[resource-drop]`s.
    pub imports: Vec<FunctionRef>,
    /// Functions of interfaces that the world does not import but a guest may, as where a host links them on a grant.
    pub optional: Vec<FunctionRef>,
    /// Every export.
    pub exports: Vec<FunctionRef>,
    /// The export that a guest's bare body implements.
    pub body: Option<FunctionRef>,
    /// The driver function that starts an instance of a guest of this world.
    pub launch: Option<FunctionRef>,
    /// Driver functions that bring a guest up without running its body; the body then runs whenever the host is told so,
    /// any number of times.
    pub loads: Vec<FunctionRef>,
    /// How exports carry text out: a value of the export's result type in which the variable `text` stands for it.
    pub outlets: Vec<(FunctionRef, Expr)>,
    /// Exports that a host calls unasked, and what a guest without a handler for them returns.
    pub defaults: Vec<(FunctionRef, Option<Expr>)>,
    /// How a guest says something while it runs: an import call in which the variable `text` stands for it.
    pub side: Option<Call>,
    /// What an import returns when it fails without a trap, for contracts that leave the choice to the host.
    pub refusal: Option<Pattern>,
}

impl World {
    /// Every function a guest may import.
    pub fn callable(&self) -> impl Iterator<Item = &FunctionRef> {
        self.imports.iter().chain(&self.optional)
    }

    /// How this export carries text out, if it can.
    pub fn outlet(&self, export: &FunctionRef) -> Option<&Expr> {
        self.outlets
            .iter()
            .find(|(found, _)| found.interface == export.interface && found.name == export.name)
            .map(|(_, expr)| expr)
    }
}

/// The driver interface of a contract.
#[derive(Clone, Debug)]
pub struct Driver {
    /// Its name in `wit/driver`.
    pub interface: String,
    /// The package `witgate:driver` and the interface.
    pub resolve: Resolve,
    /// Its functions.
    pub functions: Vec<DriverFunction>,
    /// The cases of its `event` variant, in order.
    pub events: Vec<Event>,
    /// Its `environment` record.
    pub environment: Type,
    /// For records of the interface, the fields that need a capability when they are given.
    pub guarded: Vec<(Type, usize, String)>,
}

/// A function of the driver.
#[derive(Clone, Debug)]
pub struct DriverFunction {
    /// The function; its interface is the driver's name.
    pub function: FunctionRef,
    /// The capability a host must declare for it to be called.
    pub capability: Option<String>,
    /// Its doc comment.
    pub docs: String,
}

/// A case of the driver's `event` variant.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its payload as it travels.
    pub ty: Option<Type>,
    /// Index of the payload's field `instance`, when it has one.
    pub instance: Option<usize>,
    /// What an expectation sees: the payload without its `instance` field; a payload with one field left is that field.
    pub payload: Type,
}

/// Where side-channel text comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideEvent {
    /// Index in [`Driver::events`].
    pub event: u32,
    /// Field of the payload with the instance's id, if the event tells it.
    pub source: Option<u32>,
    /// Field of the payload with the text.
    pub text: u32,
}

/// How the end of an instance is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedEvent {
    /// Index in [`Driver::events`].
    pub event: u32,
    /// Field of the payload with the instance's id.
    pub source: u32,
    /// Field of the payload with the outcome, a variant.
    pub outcome: u32,
    /// Case of the outcome: the body returned normally.
    pub finished: u32,
    /// Case of the outcome: the body returned its error, whose text is the payload (and may be a transcript).
    pub failed: u32,
    /// Case of the outcome: the guest trapped.
    pub trapped: u32,
    /// Case of the outcome: the host ended it.
    pub terminated: u32,
}

/// Why a contract cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ContractError {
    /// A file is missing or unreadable.
    #[error("failed to read {path}")]
    Read {
        /// In the tree.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// `contract.toml` is not what it must be.
    #[error("failed to understand {path}: {reason}")]
    Manifest {
        /// In the tree.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A template in `contract.toml` is wrong.
    #[error("failed to understand `{key}` in {path}:\n{problems}")]
    Template {
        /// In the tree.
        path: String,
        /// Which entry.
        key: String,
        /// What is wrong.
        problems: Diagnostics,
    },
    /// A file in `schemas` is no JSON Schema.
    #[error("failed to understand {path}")]
    Schema {
        /// In the tree.
        path: String,
        /// What is wrong.
        source: SchemaError,
    },
    /// The WIT does not parse or resolve.
    #[error("failed to understand the WIT in {path}: {reason}")]
    Wit {
        /// In the tree.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The WIT uses a type outside the canonical ABI as implemented here.
    #[error("failed to use the WIT of contract {contract}")]
    Type {
        /// Which contract.
        contract: String,
        /// What is unsupported.
        source: Unsupported,
    },
}

impl Contract {
    /// Reads the contract of this name from a tree.
    ///
    /// # Errors
    /// When a file is missing or says something that cannot be.
    pub fn load(files: &Files, name: &str) -> Result<Contract, ContractError> {
        let folder = format!("conformance/cases/{name}");
        let path = format!("{folder}/contract.toml");
        let text = files.text(&path).map_err(|source| ContractError::Read {
            path: path.clone(),
            source,
        })?;
        let manifest: Manifest =
            toml::from_str(&text).map_err(|error| ContractError::Manifest {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        let mut resolve = Resolve::default();
        let package = push_package(files, &mut resolve, &format!("wit/{}", manifest.wit))?;
        let driver = driver(files, &manifest.driver).map_err(|error| error.of(name))?;
        let schemas = schemas(files, &folder)?;
        manifest::Reader {
            schemas,
            path,
            name,
            manifest,
        }
        .contract(resolve, package, driver)
    }

    /// Reads the contract of this name from the compiled-in tree.
    ///
    /// # Errors
    /// As [`Contract::load`].
    pub fn embedded(name: &str) -> Result<Contract, ContractError> {
        Contract::load(&Files::embedded(), name)
    }

    /// Names of the contracts in a tree, in order.
    ///
    /// # Errors
    /// When `conformance/cases` cannot be read.
    pub fn names(files: &Files) -> Result<Vec<String>, ContractError> {
        let path = "conformance/cases";
        let listed = files
            .list(path, "toml")
            .map_err(|source| ContractError::Read {
                path: path.to_owned(),
                source,
            })?;
        let names = listed.iter().filter_map(|path| {
            path.strip_prefix("conformance/cases/")?
                .strip_suffix("/contract.toml")
        });
        Ok(names
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    /// The world of this name.
    pub fn world(&self, name: &str) -> Option<&World> {
        self.worlds.get(name)
    }

    /// The driver's function of this name.
    pub fn driver_function(&self, name: &str) -> Option<&DriverFunction> {
        self.driver
            .functions
            .iter()
            .find(|function| function.function.name == name)
    }
}

/// An error on the way to a contract whose name is not at hand.
enum Failure {
    Contract(ContractError),
    Type(Unsupported),
}

impl Failure {
    fn of(self, contract: &str) -> ContractError {
        match self {
            Failure::Contract(error) => error,
            Failure::Type(source) => ContractError::Type {
                contract: contract.to_owned(),
                source,
            },
        }
    }
}

impl From<Unsupported> for Failure {
    fn from(error: Unsupported) -> Self {
        Failure::Type(error)
    }
}

/// Pushes the package in a folder and the packages in its `deps`.
fn push_package(
    files: &Files,
    resolve: &mut Resolve,
    folder: &str,
) -> Result<PackageId, ContractError> {
    let all = files
        .list(folder, "wit")
        .map_err(|source| ContractError::Read {
            path: folder.to_owned(),
            source,
        })?;
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in &all {
        let own = path.rsplit_once('/').map_or(folder, |(parent, _)| parent);
        groups.entry(own).or_default().push(path);
    }
    let wrong = |reason: String| ContractError::Wit {
        path: folder.to_owned(),
        reason,
    };
    let mut main = None;
    let mut used = Vec::new();
    for (own, paths) in groups {
        let mut map = SourceMap::default();
        for path in paths {
            let text = files.text(path).map_err(|source| ContractError::Read {
                path: path.to_owned(),
                source,
            })?;
            map.push_str(path, text);
        }
        let group = map
            .parse()
            .map_err(|(map, error)| wrong(wit_parser::render_anyhow_error(&error.into(), &map)))?;
        if own == folder {
            main = Some(group)
        } else {
            used.push(group)
        }
    }
    let main = main.ok_or_else(|| wrong("no .wit file".to_owned()))?;
    resolve
        .push_groups(main, used)
        .map_err(|error| wrong(format!("{error:#}")))
}

/// The schemas in the contract's folder, by name.
fn schemas(files: &Files, folder: &str) -> Result<BTreeMap<String, Schema>, ContractError> {
    let folder = format!("{folder}/schemas");
    let read = |path: &str| {
        let path = path.to_owned();
        move |source| ContractError::Read { path, source }
    };
    let paths = match files.list(&folder, "json") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(read(&folder))?,
    };
    let mut schemas = BTreeMap::new();
    for path in paths {
        let name = path.strip_prefix(&folder).unwrap_or(&path);
        let name = name.trim_start_matches('/').trim_end_matches(".json");
        let bytes = files.read(&path).map_err(read(&path))?;
        let schema = Schema::new(name, bytes).map_err(|source| ContractError::Schema {
            path: path.clone(),
            source,
        })?;
        schemas.insert(name.to_owned(), schema);
    }
    Ok(schemas)
}

fn driver(files: &Files, name: &str) -> Result<Driver, Failure> {
    let path = format!("wit/driver/{name}.wit");
    let read = files.text(&path);
    let text = read.map_err(|source| {
        Failure::Contract(ContractError::Read {
            path: path.clone(),
            source,
        })
    })?;
    let wrong = |reason: String| {
        Failure::Contract(ContractError::Wit {
            path: path.clone(),
            reason,
        })
    };
    let mut resolve = Resolve::default();
    let package = resolve
        .push_source(&path, &text)
        .map_err(|error| wrong(format!("{error:#}")))?;
    let id = resolve
        .packages
        .get(package)
        .and_then(|package| package.interfaces.get(name).copied());
    let interface = id
        .and_then(|id| resolve.interfaces.get(id))
        .ok_or_else(|| wrong(format!("no interface `{name}`")))?;
    let mut driver = Driver {
        interface: name.to_owned(),
        functions: Vec::new(),
        events: Vec::new(),
        environment: Type::Bool,
        guarded: Vec::new(),
        resolve: Resolve::default(),
    };
    for (function, item) in functions::of_interface(
        &resolve,
        id.ok_or_else(|| wrong(String::new()))?,
        name,
        false,
    )?
    .into_iter()
    .zip(interface.functions.values())
    {
        let docs = item.docs.contents.clone().unwrap_or_default();
        driver.functions.push(DriverFunction {
            function,
            capability: functions::capability(Some(&docs)),
            docs,
        });
    }
    let mut environment = None;
    for (label, id) in &interface.types {
        let Some(definition) = resolve.types.get(*id) else {
            continue;
        };
        let ty = Type::from_wit(&resolve, &wit_parser::Type::Id(*id))?;
        if let TypeDefKind::Record(record) = &definition.kind {
            for (index, field) in record.fields.iter().enumerate() {
                if let Some(capability) = functions::capability(field.docs.contents.as_deref()) {
                    driver.guarded.push((ty.clone(), index, capability));
                }
            }
        }
        match (label.as_str(), &ty) {
            ("environment", Type::Record(_)) => environment = Some(ty),
            ("event", Type::Variant(cases)) => {
                driver.events = cases
                    .iter()
                    .map(|case| event(&case.name, case.ty.as_ref()))
                    .collect()
            }
            _ => {}
        }
    }
    driver.environment = environment.ok_or_else(|| wrong("no record `environment`".to_owned()))?;
    driver.resolve = resolve;
    Ok(driver)
}

fn event(name: &str, ty: Option<&Type>) -> Event {
    let none = || Type::Tuple(Vec::new().into());
    let (instance, payload) = match ty {
        Some(Type::Record(fields)) => {
            let instance = fields.iter().position(|field| &*field.name == "instance");
            let rest: Vec<_> = fields
                .iter()
                .filter(|field| &*field.name != "instance")
                .cloned()
                .collect();
            let payload = match rest.as_slice() {
                [] => none(),
                [field] => field.ty.clone(),
                _ => Type::Record(rest.into()),
            };
            (instance, payload)
        }
        Some(other) => (None, other.clone()),
        None => (None, none()),
    };
    Event {
        name: name.to_owned(),
        ty: ty.cloned(),
        instance,
        payload,
    }
}

/// Capabilities that the driver's doc comments name.
fn driver_capabilities(driver: &Driver) -> BTreeSet<String> {
    let functions = driver
        .functions
        .iter()
        .filter_map(|function| function.capability.clone());
    functions
        .chain(
            driver
                .guarded
                .iter()
                .map(|(_, _, capability)| capability.clone()),
        )
        .collect()
}

/// An environment that is not read yet.
fn no_environment(ty: &Type) -> Expr {
    Expr {
        ty: ty.clone(),
        kind: ExprKind::Const(Value::Record(Vec::new())),
        span: Span::default(),
    }
}

/// Reads templates of `contract.toml` with the checker of case files.
fn template<T>(path: &str, key: &str, read: Result<T, Diagnostics>) -> Result<T, ContractError> {
    read.map_err(|problems| ContractError::Template {
        path: path.to_owned(),
        key: key.to_owned(),
        problems,
    })
}
