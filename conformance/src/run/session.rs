//! One case on one host: sends requests, sorts what comes back into answers, events, signals and transcripts.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use fixtures::{
    abi::{Case, Type, Value},
    puppet::transcript::{self, Transcript},
};
use serde_json::Value as Json;

use super::verdict::Verdict;
use crate::{
    case::model::FunctionRef,
    contract::{self, Contract},
    host::{
        Host, HostFault, json,
        protocol::{Message, Request, Setup},
    },
    plan::{SIGNAL, TRANSCRIPT},
};

/// How long messages are taken in that lie there when a wait is over.
const GRACE: Duration = Duration::from_secs(1);

/// Events that one case may come to; what no step takes is kept to its end.
const EVENTS: usize = 1 << 20;

/// Something the driver reported.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Case index in the driver's `event` variant.
    pub(super) index: u32,
    /// The instance it is about, if the event names one.
    pub(super) instance: Option<String>,
    /// The payload without the instance; one field left stands alone.
    pub(super) payload: Value,
}

/// Events that no step has taken yet, by kind and instance.
#[derive(Debug, Default)]
pub(super) struct Events {
    queues: HashMap<Key, VecDeque<(u64, Event)>>,
    count: u64,
}

/// Kind of event, and the instance it is about.
type Key = (u32, Option<String>);

impl Events {
    fn push(&mut self, event: Event) {
        self.count += 1;
        let key = (event.index, event.instance.clone());
        self.queues
            .entry(key)
            .or_default()
            .push_back((self.count, event));
    }

    /// The first event of this kind, of this instance if one is named.
    pub(super) fn first(&self, index: u32, instance: Option<&String>) -> Option<&Event> {
        let key = self.key(index, instance)?;
        self.queues.get(&key)?.front().map(|(_, event)| event)
    }

    /// Takes what [`Events::first`] gives.
    pub(super) fn take(&mut self, index: u32, instance: Option<&String>) -> Option<Event> {
        let key = self.key(index, instance)?;
        let (_, event) = self.queues.get_mut(&key)?.pop_front()?;
        Some(event)
    }

    fn key(&self, index: u32, instance: Option<&String>) -> Option<Key> {
        if let Some(instance) = instance {
            return Some((index, Some(instance.clone())));
        }
        let of_kind = self
            .queues
            .iter()
            .filter(|((kind, _), queue)| *kind == index && !queue.is_empty());
        of_kind
            .min_by_key(|(_, queue)| queue.front().map(|(number, _)| *number))
            .map(|(key, _)| key.clone())
    }
}

/// A transcript as it arrived.
#[derive(Debug)]
pub(super) struct Part {
    /// The guest that says so itself.
    pub(super) guest: String,
    /// Index of its clause.
    pub(super) clause: usize,
    /// The instance, where the channel tells it.
    pub(super) instance: Option<String>,
    /// What was handed out, or why it can't be read.
    pub(super) transcript: Result<Transcript, String>,
}

/// How an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndKind {
    /// Its body returned.
    Returned,
    /// The guest trapped.
    Trapped,
    /// The host ended it.
    Terminated,
}

/// The end of an instance.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) kind: EndKind,
    /// The outcome as WAVE, for notes.
    pub(super) shown: String,
}

/// One case on one host.
pub(super) struct Session<'a> {
    host: &'a mut dyn Host,
    contract: &'a Contract,
    event_type: Type,
    deadline: Instant,
    calls: u64,
    answers: HashMap<u64, Result<Json, String>>,
    asked: Vec<u64>,
    /// Events so far.
    heard: usize,
    done: bool,
    ready: bool,
    /// Whether transcripts are left unread.
    pub(super) deaf: bool,
    pub(super) events: Events,
    pub(super) signals: HashMap<Option<String>, VecDeque<String>>,
    pub(super) parts: Vec<Part>,
    pub(super) ended: HashMap<String, Ended>,
    /// Whether a call of the driver failed because its guest trapped, for contracts that say how that is told.
    pub(super) trapped: bool,
    /// Time spent in waits that the case demands.
    pub(super) waited: Duration,
}

impl<'a> Session<'a> {
    pub(super) fn new(host: &'a mut dyn Host, contract: &'a Contract, deadline: Instant) -> Self {
        Session {
            host,
            contract,
            event_type: event_type(contract),
            deadline,
            calls: 0,
            answers: HashMap::new(),
            asked: Vec::new(),
            heard: 0,
            done: false,
            ready: false,
            deaf: false,
            events: Events::default(),
            signals: HashMap::new(),
            parts: Vec::new(),
            ended: HashMap::new(),
            trapped: false,
            waited: Duration::ZERO,
        }
    }

    /// Puts the host into the case's environment.
    pub(super) fn begin(&mut self, setup: Setup) -> Result<(), Verdict> {
        self.host.post(Request::Begin(setup)).map_err(verdict)?;
        match self.pump_until(None, |session| session.ready)? {
            true => Ok(()),
            false => Err(timeout("begin")),
        }
    }

    /// Ends the case on the host.
    pub(super) fn end(&mut self) -> Result<(), Verdict> {
        self.host.post(Request::End).map_err(verdict)?;
        // Whatever the case used up, the host has a moment to clean up.
        self.deadline = self.deadline.max(Instant::now() + Duration::from_secs(5));
        match self.pump_until(None, |session| session.done)? {
            true => Ok(()),
            false => Err(timeout("end")),
        }
    }

    /// Sends a call; its answer comes by [`Session::answer`].
    pub(super) fn call(
        &mut self,
        function: &FunctionRef,
        arguments: &[Value],
    ) -> Result<u64, Verdict> {
        self.calls += 1;
        let id = self.calls;
        let arguments = function
            .ty
            .params
            .iter()
            .zip(arguments)
            .map(|((_, ty), value)| json::to_json(ty, value))
            .collect();
        self.asked.push(id);
        self.host
            .post(Request::Call {
                id,
                function: function.name.clone(),
                arguments,
            })
            .map_err(verdict)?;
        Ok(id)
    }

    /// Calls a function with arguments that are JSON already, and gives the answer as it is.
    pub(super) fn raw_call(
        &mut self,
        function: &str,
        arguments: Vec<Json>,
    ) -> Result<Json, Verdict> {
        self.calls += 1;
        let id = self.calls;
        self.asked.push(id);
        let call = Request::Call {
            id,
            function: function.to_owned(),
            arguments,
        };
        self.host.post(call).map_err(verdict)?;
        if !self.pump_until(None, |session| session.answers.contains_key(&id))? {
            return Err(timeout(&format!("call of {function}")));
        }
        let answer = self.answers.remove(&id).unwrap_or(Ok(Json::Null));
        answer.map_err(|message| Verdict::Protocol {
            message: format!("the adapter could not carry out `{function}`: {message}"),
        })
    }

    /// Whether the host declares this capability for the case's contract.
    pub(super) fn declares(&self, capability: &str) -> bool {
        let declared = self.host.hello().contracts.get(&self.contract.name);
        declared.is_some_and(|declared| declared.capabilities.iter().any(|name| name == capability))
    }

    /// Gives the case more time.
    pub(super) fn extend(&mut self, more: Duration) {
        self.deadline += more;
    }

    /// Waits for the answer to a call. Transcripts in it are those of this instance, if it is known.
    pub(super) fn answer(
        &mut self,
        id: u64,
        function: &FunctionRef,
        instance: Option<&str>,
    ) -> Result<Option<Value>, Verdict> {
        if !self.pump_until(None, |session| session.answers.contains_key(&id))? {
            return Err(timeout(&format!("call of {}", function.name)));
        }
        let answer = self.answers.remove(&id).unwrap_or(Ok(Json::Null));
        let value = answer.map_err(|message| Verdict::Protocol {
            message: format!(
                "the adapter could not carry out `{}`: {message}",
                function.name
            ),
        })?;
        let Some(ty) = &function.ty.result else {
            return Ok(None);
        };
        let value = json::from_json(ty, &value).map_err(|error| Verdict::Protocol {
            message: format!(
                "the answer of `{}` is not of its type: {error}",
                function.name
            ),
        })?;
        self.trapped |= self
            .contract
            .trapped
            .as_ref()
            .is_some_and(|case| failed_with(ty, &value, case));
        self.collect_transcripts(&value, instance);
        Ok(Some(value))
    }

    /// Waits until `enough`, at most this long and never past the case's limit; whether it came.
    pub(super) fn pump_until(
        &mut self,
        within: Option<Duration>,
        enough: impl Fn(&Session<'_>) -> bool,
    ) -> Result<bool, Verdict> {
        let deadline = within.map_or(self.deadline, |within| {
            self.deadline.min(Instant::now() + within)
        });
        loop {
            if enough(self) {
                return Ok(true);
            }
            // A host that never pauses may hold nothing up.
            if Instant::now() >= deadline + GRACE {
                return Ok(false);
            }
            match self.host.next(deadline).map_err(verdict)? {
                Some(message) => self.sort(message)?,
                None => return Ok(false),
            }
        }
    }

    /// Whether the case's time is up.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn sort(&mut self, message: Message) -> Result<(), Verdict> {
        match message {
            Message::Ready => self.ready = true,
            Message::Unready { message } => {
                return Err(breach(format!(
                    "the host can't be put into the case's environment: {message}"
                )));
            }
            Message::Return { id, value } => self.answered(id, Ok(value))?,
            Message::Fault { id, message } => self.answered(id, Err(message))?,
            Message::Event { event } => self.event(&event)?,
            Message::Done => self.done = true,
            Message::Hello(_) => return Err(breach("a second `hello`".to_owned())),
        }
        Ok(())
    }

    fn answered(&mut self, id: u64, answer: Result<Json, String>) -> Result<(), Verdict> {
        let Some(at) = self.asked.iter().position(|asked| *asked == id) else {
            return Err(breach(format!("an answer to call {id}, which is not open")));
        };
        self.asked.swap_remove(at);
        self.answers.insert(id, answer);
        Ok(())
    }

    fn event(&mut self, event: &Json) -> Result<(), Verdict> {
        self.heard += 1;
        if self.heard > EVENTS {
            return Err(breach(format!("more than {EVENTS} events in one case")));
        }
        let value = json::from_json(&self.event_type, event)
            .map_err(|error| breach(format!("an event is not of its type: {error}")))?;
        let Value::Variant(index, payload) = value else {
            return Err(breach("an event is no variant".to_owned()));
        };
        let Some(declared) = self.contract.driver.events.get(index as usize) else {
            return Ok(());
        };
        let payload = payload.map_or(Value::Tuple(Vec::new()), |payload| *payload);
        let said = self
            .contract
            .side_event
            .as_ref()
            .filter(|side| side.event == index);
        let said = said
            .and_then(|side| text(field(&payload, side.text)?))
            .unwrap_or_default();
        let (instance, reduced) = split_instance(declared.instance, payload.clone());
        if let Some(at) = said.find(SIGNAL) {
            self.signals
                .entry(instance)
                .or_default()
                .push_back(said[at + SIGNAL.len()..].to_owned());
            return Ok(());
        }
        self.collect_transcripts(&payload, instance.as_deref());
        if said.contains(TRANSCRIPT) {
            return Ok(());
        }
        if let (Some(ended), Some(instance)) = (self.told_end(index, &payload, declared), &instance)
        {
            self.ended.insert(instance.clone(), ended);
        }
        self.events.push(Event {
            index,
            instance,
            payload: reduced,
        });
        Ok(())
    }

    fn told_end(&self, index: u32, payload: &Value, declared: &contract::Event) -> Option<Ended> {
        let told = self
            .contract
            .ended_event
            .as_ref()
            .filter(|told| told.event == index)?;
        let Value::Variant(case, _) = field(payload, told.outcome)? else {
            return None;
        };
        let kind = match *case {
            case if case == told.finished || case == told.failed => EndKind::Returned,
            case if case == told.trapped => EndKind::Trapped,
            _ => EndKind::Terminated,
        };
        let shown = match &declared.ty {
            Some(ty) => crate::judge::walk::shown(ty, payload),
            None => String::new(),
        };
        Some(Ended { kind, shown })
    }

    /// Finds every transcript in a value, wherever a host may have put the text.
    fn collect_transcripts(&mut self, value: &Value, instance: Option<&str>) {
        if self.deaf {
            return;
        }
        match value {
            Value::String(text) => self.collect_from(text.as_bytes(), instance),
            Value::Bytes(bytes) => self.collect_from(bytes, instance),
            Value::List(items) | Value::Record(items) | Value::Tuple(items) => {
                items
                    .iter()
                    .for_each(|item| self.collect_transcripts(item, instance));
            }
            Value::Variant(_, Some(payload))
            | Value::Option(Some(payload))
            | Value::Result(Ok(Some(payload)) | Err(Some(payload))) => {
                self.collect_transcripts(payload, instance)
            }
            _ => {}
        }
    }

    fn collect_from(&mut self, bytes: &[u8], instance: Option<&str>) {
        let found = transcripts(bytes).into_iter();
        self.parts.extend(found.map(|text| part(text, instance)));
    }
}

/// Everything that stands behind the mark of a transcript, up to what can be part of none.
fn transcripts(mut bytes: &[u8]) -> Vec<&str> {
    let mut found = Vec::new();
    let mark = TRANSCRIPT.as_bytes();
    while let Some(at) = bytes.windows(mark.len()).position(|window| window == mark) {
        bytes = &bytes[at + mark.len()..];
        let end = bytes.iter().position(|byte| !byte.is_ascii());
        let text = std::str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]);
        found.extend(text.ok());
    }
    found
}

/// Whether a result is an error, and this case of its variant.
fn failed_with(ty: &Type, value: &Value, case: &str) -> bool {
    let (Type::Result(_, Some(error)), Value::Result(Err(Some(failure)))) = (ty, value) else {
        return false;
    };
    match (&**error, &**failure) {
        (Type::Variant(cases), Value::Variant(index, _)) => cases
            .get(*index as usize)
            .is_some_and(|found| &*found.name == case),
        _ => false,
    }
}

/// Reads `GUEST/CLAUSE/HEX.`
fn part(text: &str, instance: Option<&str>) -> Part {
    let mut pieces = text.splitn(3, '/');
    let guest = pieces.next().unwrap_or_default().to_owned();
    let clause = pieces
        .next()
        .and_then(|clause| clause.parse().ok())
        .unwrap_or(usize::MAX);
    let dump = pieces.next().unwrap_or_default();
    let transcript = match dump.split_once('.') {
        Some((hex, _)) => transcript::decode(hex).map_err(|error| error.to_string()),
        None => Err("the transcript was cut".to_owned()),
    };
    Part {
        guest,
        clause,
        instance: instance.map(str::to_owned),
        transcript,
    }
}

/// Takes the field `instance` out of a payload record; one field left stands alone.
fn split_instance(at: Option<usize>, payload: Value) -> (Option<String>, Value) {
    let (Some(at), Value::Record(mut values)) = (at, payload.clone()) else {
        return (None, payload);
    };
    if at >= values.len() {
        return (None, payload);
    }
    let instance = match values.remove(at) {
        Value::String(instance) => Some(instance),
        _ => None,
    };
    let reduced = if values.len() == 1 {
        values.remove(0)
    } else {
        Value::Record(values)
    };
    (instance, reduced)
}

fn field(record: &Value, index: u32) -> Option<&Value> {
    match record {
        Value::Record(fields) => fields.get(index as usize),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The driver's variant `event`, as messages carry it.
fn event_type(contract: &Contract) -> Type {
    let cases = contract.driver.events.iter().map(|event| Case {
        name: event.name.as_str().into(),
        ty: event.ty.clone(),
    });
    Type::Variant(cases.collect())
}

fn verdict(fault: HostFault) -> Verdict {
    match fault {
        // The end of its standard error is told beside the verdict.
        HostFault::Gone { status, .. } => Verdict::Crash {
            message: format!("the host ended: {status}"),
        },
        HostFault::Start(_) => Verdict::Crash {
            message: fault.to_string(),
        },
        HostFault::Breach { what, .. } => breach(format!("the host broke the protocol: {what}")),
        HostFault::Silent(_) => timeout("hello"),
    }
}

fn breach(message: String) -> Verdict {
    Verdict::Protocol { message }
}

pub(super) fn timeout(phase: &str) -> Verdict {
    Verdict::Timeout {
        phase: phase.to_owned(),
        span: None,
    }
}

#[cfg(test)]
mod tests {
    use super::transcripts;

    #[test]
    fn transcripts_are_found_wherever_they_stand() {
        let text = b"\xff\x00witgate/transcript/a/0/00.\xffwitgate/transcript/b/1/";
        assert_eq!(transcripts(text), ["a/0/00.", "b/1/"]);
        assert_eq!(transcripts(b"witgate/transcrip"), Vec::<&str>::new());
        assert_eq!(transcripts(b""), Vec::<&str>::new());
    }
}
