//! A plugin of `uni:plugin@0.1.0` behind a host, and its aggregates as subjects of the laws.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reference_host::uni::{self, Function, FunctionKind, Grants, LogLine, LogSink, UniHost};
use serde_json::{Value as Json, json};

use super::{
    subject::{Fault, Instances, Subject},
    term::{Batch, Signature, Wire},
};
use crate::host::{
    Host, HostFault, Launcher,
    protocol::{Component, Message, Request, Setup},
};

/// Accumulators that are kept open before the host is begun anew.
const ACCUMULATORS: u32 = 400;

/// How long one call may take at the host; what one export call may take is a limit of the plugin's and much shorter.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one export call may take, where the host takes limits.
const CALL_TIME: Duration = Duration::from_secs(2);

/// Memory of one instance, in bytes, where the host takes limits.
const MEMORY_BYTES: u64 = 256 << 20;

/// Bytes of one answer, where the host takes limits.
const PAYLOAD_BYTES: u64 = 16 << 20;

/// Calls of one function that may run into a limit before it is left alone.
const LIMIT_HITS: u32 = 4;

/// The capabilities that every plugin is granted.
const CAPABILITIES: [&str; 6] = [
    "scalar-fn",
    "aggregate-fn",
    "procedure",
    "procedure-writes",
    "procedure-schema",
    "procedure-dbms",
];

/// Why a plugin can't be tried.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// It is no component, or its manifest or registration is refused.
    #[error("the plugin is refused: {0}")]
    Refused(String),
    /// The host of the trial can't be used.
    #[error(transparent)]
    Host(#[from] HostFault),
}

/// A plugin and a host that runs it.
pub struct Plugin {
    host: Box<dyn Host>,
    component: Vec<u8>,
    id: String,
    functions: Vec<Function>,
    instances: Option<Instances>,
    call_time: Duration,
    calls: u64,
    opened: u32,
    limit_hits: u32,
    limit_hit: Option<String>,
}

impl Plugin {
    /// Reads the manifest and the registration of a component, and starts a host for it. The reading itself is done by the
    /// reference host, whose errors name the field.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn open(component: Vec<u8>, launcher: &dyn Launcher) -> Result<Self, PluginError> {
        let refused = |error: String| PluginError::Refused(error);
        let grants = Grants::new(CAPABILITIES.map(str::to_owned).to_vec())
            .map_err(|error| refused(error.to_string()))?;
        let config = uni::Config {
            log: Arc::new(Mute),
            limits: uni::Limits {
                call_time: CALL_TIME,
                memory_bytes: MEMORY_BYTES,
                payload_bytes: PAYLOAD_BYTES,
                ..uni::Limits::default()
            },
            ..uni::Config::default()
        };
        let reader = UniHost::new(config).map_err(|error| refused(error.to_string()))?;
        let loaded = uni::block_on(reader.load(&component, &grants))
            .map_err(|error| refused(error.to_string()))?
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            host: launcher.launch()?,
            component,
            id: loaded.id,
            functions: loaded.functions,
            instances: None,
            call_time: CALL_TIME,
            calls: 0,
            opened: 0,
            limit_hits: 0,
            limit_hit: None,
        })
    }

    /// Bounds how long one export call may take, where the host takes limits: two seconds if nothing else is said, and at
    /// least a millisecond.
    pub fn limit_calls(&mut self, time: Duration) {
        self.call_time = time.max(Duration::from_millis(1));
    }

    /// Forgets how often limits were hit: another function is tried.
    pub(crate) fn refresh(&mut self) {
        self.limit_hits = 0;
        self.limit_hit = None;
    }

    /// The last call that ran into a limit, and what the host said.
    pub(crate) fn limit_hit(&self) -> Option<&str> {
        self.limit_hit.as_deref()
    }

    /// The plugin's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it registered.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The aggregate of this full name, if it registered one.
    pub fn aggregate(&mut self, qname: &str) -> Option<Tried<'_>> {
        let function = self.functions.iter().find(|function| {
            function.qname == qname && matches!(function.kind, FunctionKind::Aggregate { .. })
        })?;
        let signature = Signature {
            qname: function.qname.clone(),
            arguments: function.args.iter().copied().map(wire).collect(),
        };
        Some(Tried {
            plugin: self,
            signature,
        })
    }

    /// Whether the host can keep instances.
    pub(crate) fn keeps(&self) -> bool {
        self.declares("instances")
    }

    /// Whether the host takes this capability of the driver.
    fn declares(&self, capability: &str) -> bool {
        let declared = self.host.hello().contracts.get("uni");
        declared.is_some_and(|declared| declared.capabilities.iter().any(|name| name == capability))
    }

    /// Begins anew: nothing of what was loaded or opened before is left.
    ///
    /// # Errors
    /// [`Fault::Lost`] when the host does not begin, or refuses what the reference host took.
    pub fn begin(&mut self, instances: Instances) -> Result<(), Fault> {
        if self.instances.take().is_some() {
            self.post(Request::End)?;
            while !matches!(self.message()?, Message::Done) {}
        }
        let some = |given: bool, value: Json| {
            if given {
                json!({ "some": value })
            } else {
                Json::Null
            }
        };
        let limits = json!({
            "call-ms": u64::try_from(self.call_time.as_millis()).unwrap_or(u64::MAX),
            "memory-bytes": MEMORY_BYTES, "table-elements": 0, "payload-bytes": PAYLOAD_BYTES, "instances": 0,
        });
        let kept = match instances {
            Instances::Fresh => "fresh",
            Instances::Kept => "kept",
        };
        let component = Component {
            world: self.world().to_owned(),
            component: self.component.clone(),
        };
        self.post(Request::Begin(Setup {
            case: "guest".to_owned(),
            contract: "uni".to_owned(),
            guests: BTreeMap::from([("plugin".to_owned(), component)]),
            environment: json!({
                "traceparent": null,
                "limits": some(self.declares("limits"), limits),
                "instances": some(self.declares("instances"), kept.into()),
            }),
        }))?;
        loop {
            match self.message()? {
                Message::Ready => break,
                Message::Unready { message } => return Err(Fault::Lost(message)),
                _ => {}
            }
        }
        self.instances = Some(instances);
        self.opened = 0;
        let grants = json!({
            "capabilities": CAPABILITIES, "network": null, "network-timeout-ms": 0, "network-max-bytes": 0,
        });
        match self.call("load", json!(["plugin", grants]))?.get("err") {
            Some(error) => Err(Fault::Lost(format!("the host refuses the plugin: {error}"))),
            None => Ok(()),
        }
    }

    /// Begins, unless the host stands as it should already.
    pub(crate) fn ready(&mut self, instances: Instances) -> Result<(), Fault> {
        if self.instances == Some(instances)
            && instances == Instances::Fresh
            && self.opened < ACCUMULATORS
        {
            return Ok(());
        }
        self.begin(instances)
    }

    /// The world whose exports carry the plugin's functions.
    fn world(&self) -> &'static str {
        match self.functions.first().map(|function| &function.kind) {
            Some(FunctionKind::Aggregate { .. }) => "aggregate-plugin",
            Some(FunctionKind::Procedure { .. }) => "procedure-plugin",
            _ => "scalar-plugin",
        }
    }

    /// Calls a function of the driver, whose answer is given as it is.
    ///
    /// # Errors
    /// [`Fault::Lost`] when the host does not answer.
    pub(crate) fn call(&mut self, function: &str, arguments: Json) -> Result<Json, Fault> {
        self.calls += 1;
        let call = self.calls;
        let Json::Array(arguments) = arguments else {
            return Err(Fault::Lost("arguments are no list".to_owned()));
        };
        self.post(Request::Call {
            id: call,
            function: function.to_owned(),
            arguments,
        })?;
        loop {
            match self.message()? {
                Message::Return { id, value } if id == call => return Ok(value),
                Message::Fault { id, message } if id == call => return Err(Fault::Lost(message)),
                _ => {}
            }
        }
    }

    /// Calls a function of the driver that answers `result<_, failure>`.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(crate) fn attempt(&mut self, function: &str, arguments: Json) -> Result<Json, Fault> {
        if self.limit_hits >= LIMIT_HITS {
            return Err(Fault::Spent);
        }
        let answer = self.call(function, arguments)?;
        match answer {
            Json::Object(mut members) => match (members.remove("ok"), members.remove("err")) {
                (Some(value), None) => Ok(value),
                (None, Some(failure)) => {
                    let fault = fault(&failure);
                    if matches!(&fault, Fault::Host { kind, .. } if kind == "limit") {
                        self.limit_hits += 1;
                        self.limit_hit = Some(format!("{function}\n    = {fault}"));
                    }
                    Err(fault)
                }
                _ => Err(Fault::Lost(format!("`{function}` answered no result"))),
            },
            other => Err(Fault::Lost(format!("`{function}` answered {other}"))),
        }
    }

    fn post(&mut self, request: Request) -> Result<(), Fault> {
        self.host.post(request).map_err(lost)
    }

    fn message(&mut self) -> Result<Message, Fault> {
        match self.host.next(Instant::now() + PATIENCE).map_err(lost)? {
            Some(message) => Ok(message),
            None => Err(Fault::Lost(format!("it said nothing for {PATIENCE:?}"))),
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({}, {} functions)", self.id, self.functions.len())
    }
}

/// An aggregate of a plugin, on trial.
#[derive(Debug)]
pub struct Tried<'a> {
    plugin: &'a mut Plugin,
    signature: Signature,
}

impl Subject for Tried<'_> {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn begin(&mut self, instances: Instances) -> Result<(), Fault> {
        self.plugin.ready(instances)
    }

    fn keeps(&self) -> bool {
        self.plugin.keeps()
    }

    fn open(&mut self) -> Result<u32, Fault> {
        self.plugin.opened += 1;
        let answer = self
            .plugin
            .attempt("accumulator-new", json!([self.signature.qname]))?;
        let id = answer.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| Fault::Lost(format!("`accumulator-new` answered {answer}")))
    }

    fn update(&mut self, accumulator: u32, batch: &Batch) -> Result<(), Fault> {
        let columns = batch.to_json(&self.signature.arguments);
        let arguments = json!([accumulator, columns, batch.0.len()]);
        self.plugin
            .attempt("accumulator-update", arguments)
            .map(drop)
    }

    fn merge(&mut self, accumulator: u32, states: &[Vec<u8>]) -> Result<(), Fault> {
        let states: Vec<_> = states
            .iter()
            .map(|state| json!({ "some": STANDARD.encode(state) }))
            .collect();
        self.plugin
            .attempt("accumulator-merge", json!([accumulator, states]))
            .map(drop)
    }

    fn state(&mut self, accumulator: u32) -> Result<Vec<u8>, Fault> {
        let answer = self
            .plugin
            .attempt("accumulator-state", json!([accumulator]))?;
        answer
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| Fault::Lost("`accumulator-state` answered no bytes".to_owned()))
    }

    fn evaluate(&mut self, accumulator: u32) -> Result<Json, Fault> {
        self.plugin
            .attempt("accumulator-evaluate", json!([accumulator]))
    }
}

/// A type of the registration.
pub(crate) fn wire(ty: uni::WireType) -> Wire {
    use uni::{Primitive, WireType};
    match ty {
        WireType::CypherValue => Wire::LargeBinary,
        WireType::Primitive(primitive) => match primitive {
            Primitive::Binary => Wire::Binary,
            Primitive::Boolean => Wire::Boolean,
            Primitive::Date64 => Wire::Date64,
            Primitive::Float32 => Wire::Float32,
            Primitive::Float64 => Wire::Float64,
            Primitive::Int32 => Wire::Int32,
            Primitive::Int64 => Wire::Int64,
            Primitive::LargeBinary => Wire::LargeBinary,
            Primitive::TimestampMs => Wire::TimestampMs,
            Primitive::Utf8 => Wire::Utf8,
        },
    }
}

/// A value of the driver's variant `failure`.
pub(super) fn fault(failure: &Json) -> Fault {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    if let Some(error) = failure.get("plugin") {
        return Fault::Plugin {
            code: error["code"]
                .as_u64()
                .and_then(|code| u32::try_from(code).ok())
                .unwrap_or_default(),
            message: text(&error["message"]),
        };
    }
    match failure.get("host") {
        Some(error) => Fault::Host {
            kind: text(&error["kind"]),
            // A backtrace has many lines.
            message: text(&error["message"])
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        },
        None => Fault::Lost(format!("no failure: {failure}")),
    }
}

fn lost(fault: HostFault) -> Fault {
    Fault::Lost(fault.to_string())
}

/// Log lines of a plugin that is only read.
struct Mute;

impl LogSink for Mute {
    fn log(&self, _: LogLine<'_>) {}
}
