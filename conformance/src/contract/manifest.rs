//! `contract.toml`: what it may say, and how that becomes a contract.

use std::collections::BTreeMap;

use fixtures::abi::Type;
use indexmap::IndexMap;
use serde::Deserialize;
use wit_parser::{PackageId, Resolve};

use super::{
    Contract, ContractError, Driver, EndedEvent, SideEvent, World, driver_capabilities, functions,
    no_environment, template,
};
use crate::{
    case::{model::FunctionRef, template as templates},
    payload::schema::Schema,
};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Manifest {
    title: String,
    /// Folder under `wit`.
    pub(super) wit: String,
    /// Interface, and file, in `wit/driver`.
    pub(super) driver: String,
    /// A record, as a case would write it, complete; texts may name surroundings.
    environment: String,
    /// Capabilities that no doc line of the driver names, or words about one that is named there.
    #[serde(default)]
    capabilities: BTreeMap<String, String>,
    /// Profiles that cases may name, with what they are.
    #[serde(default)]
    profiles: BTreeMap<String, String>,
    /// Export -> driver functions whose answers tell what came of calling it, where none is called like the export.
    #[serde(default)]
    answers: BTreeMap<String, Vec<String>>,
    worlds: IndexMap<String, WorldManifest>,
    #[serde(default)]
    events: Events,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WorldManifest {
    /// `run.run`
    body: Option<String>,
    /// A function of the driver.
    launch: Option<String>,
    /// Functions of the driver.
    #[serde(default)]
    loads: Vec<String>,
    /// Interfaces of the package that a guest may import although the world does not.
    #[serde(default)]
    optional: Vec<String>,
    /// A call with `$text`.
    side: Option<String>,
    /// A pattern of a text: an import failed without a trap.
    refusal: Option<String>,
    /// Export -> value with `$text`.
    #[serde(default)]
    outlet: IndexMap<String, String>,
    /// Export -> value, empty for an export without a result.
    #[serde(default)]
    defaults: IndexMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Events {
    side: Option<Side>,
    ended: Option<Ended>,
    /// A case of the variant in which calls of the driver fail.
    trapped: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Side {
    event: String,
    source: Option<String>,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Ended {
    event: String,
    source: String,
    outcome: String,
    finished: String,
    failed: String,
    trapped: String,
    terminated: String,
}

/// Makes a contract of a file.
pub(super) struct Reader<'a> {
    pub(super) path: String,
    pub(super) name: &'a str,
    pub(super) manifest: Manifest,
    pub(super) schemas: BTreeMap<String, Schema>,
}

impl Reader<'_> {
    pub(super) fn contract(
        &self,
        resolve: Resolve,
        package: PackageId,
        driver: Driver,
    ) -> Result<Contract, ContractError> {
        let manifest = &self.manifest;
        let mut worlds = IndexMap::new();
        for (name, world) in &manifest.worlds {
            worlds.insert(
                name.clone(),
                self.world(&resolve, package, &driver, name, world)?,
            );
        }
        let mut capabilities: BTreeMap<String, String> = driver_capabilities(&driver)
            .into_iter()
            .map(|name| (name, String::new()))
            .collect();
        capabilities.extend(manifest.capabilities.clone());
        let mut contract = Contract {
            name: self.name.to_owned(),
            title: manifest.title.clone(),
            wit: manifest.wit.clone(),
            resolve,
            package,
            worlds,
            environment: no_environment(&driver.environment),
            side_event: manifest
                .events
                .side
                .as_ref()
                .map(|side| self.side_event(&driver, side))
                .transpose()?,
            ended_event: manifest
                .events
                .ended
                .as_ref()
                .map(|ended| self.ended_event(&driver, ended))
                .transpose()?,
            trapped: self.trapped(&driver)?,
            driver,
            capabilities,
            profiles: self.profiles()?,
            schemas: self.schemas.clone(),
            answers: manifest.answers.clone(),
        };
        contract.environment = template(
            &self.path,
            "environment",
            templates::environment(&contract, &manifest.environment),
        )?;
        self.templates(&mut contract)?;
        self.answers(&contract)?;
        Ok(contract)
    }

    /// Whether the exports and the driver functions of `answers` are there.
    fn answers(&self, contract: &Contract) -> Result<(), ContractError> {
        for (export, answers) in &contract.answers {
            let mut exports = contract.worlds.values().flat_map(|world| &world.exports);
            if !exports.any(|function| function.name == *export) {
                return Err(self.wrong(format!("there is no export `{export}`")));
            }
            let unknown = |name: &&String| contract.driver_function(name).is_none();
            if let Some(name) = answers.iter().find(unknown) {
                return Err(self.wrong(format!("the driver has no function `{name}`")));
            }
        }
        Ok(())
    }

    /// Profiles whose names a case file can write.
    fn profiles(&self) -> Result<BTreeMap<String, String>, ContractError> {
        let label = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        let profiles = &self.manifest.profiles;
        match profiles.keys().find(|name| !label(name)) {
            None => Ok(profiles.clone()),
            Some(name) => Err(self.wrong(format!(
                "the profile `{name}` is not named by small letters, digits and `-`"
            ))),
        }
    }

    /// Outlets and side channels: they are checked against the worlds, which must be there before.
    fn templates(&self, contract: &mut Contract) -> Result<(), ContractError> {
        for (name, manifest) in &self.manifest.worlds {
            let Some(world) = contract.worlds.get(name) else {
                continue;
            };
            let mut outlets = Vec::new();
            for (export, text) in &manifest.outlet {
                let function = self.find(&world.exports, export, "export")?.clone();
                let ty = function.ty.result.clone().ok_or_else(|| {
                    self.wrong(format!("the export `{export}` has no result to carry text"))
                })?;
                let value = template(
                    &self.path,
                    &format!("worlds.{name}.outlet.{export}"),
                    templates::with_text(contract, text, &ty),
                )?;
                outlets.push((function, value));
            }
            let side = match &manifest.side {
                Some(text) => Some(template(
                    &self.path,
                    &format!("worlds.{name}.side"),
                    templates::call_with_text(contract, name, text),
                )?),
                None => None,
            };
            let mut defaults = Vec::new();
            for (export, text) in &manifest.defaults {
                let function = self.find(&world.exports, export, "export")?.clone();
                let value = match (&function.ty.result, text.as_str()) {
                    (None, "") => None,
                    (None, _) => {
                        return Err(
                            self.wrong(format!("the export `{export}` has no result to give"))
                        );
                    }
                    (Some(ty), text) => Some(template(
                        &self.path,
                        &format!("worlds.{name}.defaults.{export}"),
                        templates::constant(contract, text, ty),
                    )?),
                };
                defaults.push((function, value));
            }
            let refusal = match &manifest.refusal {
                Some(text) => Some(template(
                    &self.path,
                    &format!("worlds.{name}.refusal"),
                    templates::pattern(contract, text, &Type::String),
                )?),
                None => None,
            };
            if let Some(world) = contract.worlds.get_mut(name) {
                world.defaults = defaults;
                world.outlets = outlets;
                world.side = side;
                world.refusal = refusal;
            }
        }
        Ok(())
    }

    fn world(
        &self,
        resolve: &Resolve,
        package: PackageId,
        driver: &Driver,
        name: &str,
        manifest: &WorldManifest,
    ) -> Result<World, ContractError> {
        let found = resolve
            .packages
            .get(package)
            .and_then(|package| package.worlds.get(name));
        let id = *found.ok_or_else(|| self.wrong(format!("the package has no world `{name}`")))?;
        let unsupported = |source| ContractError::Type {
            contract: self.name.to_owned(),
            source,
        };
        let exports = functions::exports(resolve, id).map_err(unsupported)?;
        let mut optional = Vec::new();
        for interface in &manifest.optional {
            let found = resolve
                .packages
                .get(package)
                .and_then(|package| package.interfaces.get(interface.as_str()));
            let id = *found
                .ok_or_else(|| self.wrong(format!("the package has no interface `{interface}`")))?;
            let path = resolve.id_of(id).unwrap_or_else(|| interface.clone());
            optional
                .extend(functions::of_interface(resolve, id, &path, true).map_err(unsupported)?);
        }
        let body = manifest
            .body
            .as_ref()
            .map(|body| self.find(&exports, body, "export").cloned())
            .transpose()?;
        let of_driver = |name: &String| {
            let found = driver
                .functions
                .iter()
                .find(|function| function.function.name == *name);
            found
                .map(|found| found.function.clone())
                .ok_or_else(|| self.wrong(format!("the driver has no function `{name}`")))
        };
        let launch = manifest.launch.as_ref().map(of_driver).transpose()?;
        let loads = manifest
            .loads
            .iter()
            .map(of_driver)
            .collect::<Result<_, _>>()?;
        let imports = functions::imports(resolve, id).map_err(unsupported)?;
        Ok(World {
            name: name.to_owned(),
            id,
            imports,
            optional,
            exports,
            body,
            launch,
            loads,
            outlets: Vec::new(),
            defaults: Vec::new(),
            side: None,
            refusal: None,
        })
    }

    fn trapped(&self, driver: &Driver) -> Result<Option<String>, ContractError> {
        let Some(name) = &self.manifest.events.trapped else {
            return Ok(None);
        };
        let known = driver.functions.iter().any(|function| {
            function
                .function
                .ty
                .result
                .as_ref()
                .is_some_and(|ty| error_case(ty, name).is_some())
        });
        match known {
            true => Ok(Some(name.clone())),
            false => Err(self.wrong(format!("no call of the driver fails with `{name}`"))),
        }
    }

    /// A function by `name` or `interface.name`.
    fn find<'f>(
        &self,
        functions: &'f [FunctionRef],
        written: &str,
        what: &str,
    ) -> Result<&'f FunctionRef, ContractError> {
        let (interface, name) = written
            .rsplit_once('.')
            .map_or((None, written), |(interface, name)| (Some(interface), name));
        let fits = |function: &&FunctionRef| {
            function.name == name
                && interface.is_none_or(|wanted| {
                    function.interface.as_deref().map(functions::short_name) == Some(wanted)
                })
        };
        functions
            .iter()
            .find(fits)
            .ok_or_else(|| self.wrong(format!("there is no {what} `{written}`")))
    }

    fn wrong(&self, reason: String) -> ContractError {
        ContractError::Manifest {
            path: self.path.clone(),
            reason,
        }
    }

    fn event(&self, driver: &Driver, name: &str) -> Result<(u32, Type), ContractError> {
        let found = driver
            .events
            .iter()
            .position(|event| event.name == name)
            .and_then(|index| {
                let ty = driver.events.get(index)?.ty.clone()?;
                Some((u32::try_from(index).ok()?, ty))
            });
        found.ok_or_else(|| self.wrong(format!("the driver has no event `{name}` with a payload")))
    }

    fn part(&self, ty: &Type, name: &str) -> Result<u32, ContractError> {
        let index = match ty {
            Type::Record(fields) => fields.iter().position(|field| &*field.name == name),
            Type::Variant(cases) => cases.iter().position(|case| &*case.name == name),
            Type::Enum(cases) => cases.iter().position(|case| &**case == name),
            _ => None,
        };
        index
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| self.wrong(format!("the event has no `{name}`")))
    }

    fn side_event(&self, driver: &Driver, side: &Side) -> Result<SideEvent, ContractError> {
        let (event, ty) = self.event(driver, &side.event)?;
        let source = side
            .source
            .as_ref()
            .map(|source| self.part(&ty, source))
            .transpose()?;
        Ok(SideEvent {
            event,
            source,
            text: self.part(&ty, &side.text)?,
        })
    }

    fn ended_event(&self, driver: &Driver, ended: &Ended) -> Result<EndedEvent, ContractError> {
        let (event, ty) = self.event(driver, &ended.event)?;
        let outcome = self.part(&ty, &ended.outcome)?;
        let cases = match &ty {
            Type::Record(fields) => fields.get(outcome as usize).map(|field| field.ty.clone()),
            _ => None,
        };
        let cases = cases.ok_or_else(|| self.wrong(format!("`{}` is no field", ended.outcome)))?;
        Ok(EndedEvent {
            event,
            source: self.part(&ty, &ended.source)?,
            outcome,
            finished: self.part(&cases, &ended.finished)?,
            failed: self.part(&cases, &ended.failed)?,
            trapped: self.part(&cases, &ended.trapped)?,
            terminated: self.part(&cases, &ended.terminated)?,
        })
    }
}

/// The case of this name of the variant that is a result's error.
fn error_case(ty: &Type, name: &str) -> Option<usize> {
    match ty {
        Type::Result(_, Some(error)) => match &**error {
            Type::Variant(cases) => cases.iter().position(|case| &*case.name == name),
            _ => None,
        },
        _ => None,
    }
}
