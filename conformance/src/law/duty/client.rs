//! Who carries calls to a host: a case that runs, or a client of any host by itself.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use crate::{
    host::{
        Host, HostFault,
        protocol::{Component, Message, Request, Setup},
    },
    law::Fault,
};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plans that are carried out before the host begins anew: their accumulators are never closed.
const PLANS: u32 = 100;

/// Calls functions of the driver `uni` at a host that has loaded `plans.wat` and `plans-other.wat`.
pub trait Caller {
    /// Whether the host takes this capability of the driver.
    fn declares(&self, capability: &str) -> bool;

    /// Calls a function; the answer is given as it is.
    ///
    /// # Errors
    /// [`Fault::Lost`] when there is no answer.
    fn call(&mut self, function: &str, arguments: Vec<Json>) -> Result<Json, Fault>;

    /// A plan comes: `anew` asks for a host that knows of no plan before it, where that is possible.
    ///
    /// # Errors
    /// [`Fault::Lost`] when the host does not begin.
    fn plan(&mut self, anew: bool) -> Result<(), Fault>;
}

/// A host with the two plugins.
pub struct Client {
    host: Box<dyn Host>,
    guests: BTreeMap<String, Component>,
    calls: u64,
    plans: Option<u32>,
}

impl Client {
    /// Tries this host with these guests, which are loaded in their order.
    #[must_use]
    pub fn new(host: Box<dyn Host>, guests: BTreeMap<String, Component>) -> Self {
        Self {
            host,
            guests,
            calls: 0,
            plans: None,
        }
    }

    fn begin(&mut self) -> Result<(), Fault> {
        if self.plans.take().is_some() {
            self.post(Request::End)?;
            while !matches!(self.message()?, Message::Done) {}
        }
        self.post(Request::Begin(Setup {
            case: "plans".to_owned(),
            contract: "uni".to_owned(),
            guests: self.guests.clone(),
            environment: json!({"traceparent": null, "limits": null, "instances": null}),
        }))?;
        loop {
            match self.message()? {
                Message::Ready => break,
                Message::Unready { message } => return Err(Fault::Lost(message)),
                _ => {}
            }
        }
        self.plans = Some(0);
        let names: Vec<_> = self.guests.keys().cloned().collect();
        for name in names {
            let grants = json!({
                "capabilities": ["aggregate-fn"], "network": null, "network-timeout-ms": 0, "network-max-bytes": 0,
            });
            let answer = self.call("load", vec![name.into(), grants])?;
            if let Some(error) = answer.get("err") {
                return Err(Fault::Lost(format!("the host refuses a plugin: {error}")));
            }
        }
        Ok(())
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

impl Caller for Client {
    fn declares(&self, capability: &str) -> bool {
        let declared = self.host.hello().contracts.get("uni");
        declared.is_some_and(|declared| declared.capabilities.iter().any(|name| name == capability))
    }

    fn call(&mut self, function: &str, arguments: Vec<Json>) -> Result<Json, Fault> {
        self.calls += 1;
        let call = self.calls;
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

    fn plan(&mut self, anew: bool) -> Result<(), Fault> {
        match &mut self.plans {
            Some(plans) if !anew && *plans < PLANS => *plans += 1,
            _ => self.begin()?,
        }
        Ok(())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.host.hello().name)
    }
}

fn lost(fault: HostFault) -> Fault {
    Fault::Lost(fault.to_string())
}
