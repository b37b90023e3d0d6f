//! One conversation: requests in, messages out, one case at a time, its calls concurrently. What panics becomes a fault of
//! the call, never silence.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        mpsc::{Receiver, Sender, channel},
    },
};

use serde_json::Value as Json;
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{Id, JoinError, JoinSet},
};

use super::{
    driver::{self, Driver},
    outbox::Outbox,
};
use crate::host::protocol::{Message, Request, Setup};

/// Threads that the hosts of this process share, at least: guests that compute must not hold up those that talk.
const MIN_THREADS: usize = 4;

/// Opens a conversation. It goes on until `bye` or until the sender is dropped; then it ends its case and drops the
/// other end of the receiver.
///
/// # Errors
/// When the process can't have a runtime.
pub(super) fn open() -> Result<(UnboundedSender<Request>, Receiver<Message>), String> {
    let (requests, requests_out) = unbounded_channel();
    let (messages_in, messages) = channel();
    runtime()?.spawn(converse(requests_out, messages_in));
    Ok((requests, messages))
}

/// The runtime of all reference hosts of this process.
fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let build = || {
        let threads = std::thread::available_parallelism().map_or(MIN_THREADS, usize::from);
        Builder::new_multi_thread()
            .worker_threads(threads.max(MIN_THREADS))
            .thread_name("reference-host")
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))
    };
    RUNTIME.get_or_init(build).as_ref().map_err(Clone::clone)
}

async fn converse(mut requests: UnboundedReceiver<Request>, messages: Sender<Message>) {
    let mut case: Option<Case> = None;
    let say = |message| {
        let _ = messages.send(message);
    };
    loop {
        let request = match &mut case {
            None => requests.recv().await,
            Some(case) => tokio::select! {
                request = requests.recv() => request,
                Some(ended) = case.calls.join_next_with_id() => {
                    case.settle(ended);
                    continue;
                }
            },
        };
        match request {
            None | Some(Request::Bye) => break,
            Some(Request::Hello { .. }) => say(Message::Hello(super::hello())),
            Some(Request::Begin(setup)) => {
                end(case.take()).await;
                match Case::begin(setup, messages.clone()).await {
                    Ok(begun) => case = Some(begun),
                    Err(message) => say(Message::Unready { message }),
                }
            }
            Some(Request::Call {
                id,
                function,
                arguments,
            }) => match &mut case {
                Some(case) => case.call(id, function, arguments),
                None => say(Message::Fault {
                    id,
                    message: "no case has begun".into(),
                }),
            },
            Some(Request::End) => {
                end(case.take()).await;
                say(Message::Done);
            }
        }
    }
    end(case).await;
}

struct Case {
    driver: Arc<dyn Driver>,
    outbox: Arc<Outbox>,
    calls: JoinSet<()>,
    /// Call id, and whether it was announced, of every task.
    in_flight: HashMap<Id, (u64, bool)>,
}

impl Case {
    async fn begin(setup: Setup, messages: Sender<Message>) -> Result<Self, String> {
        let outbox = Arc::new(Outbox::new(messages));
        outbox.announce();
        let driver = tokio::spawn(driver::begin(setup, Arc::clone(&outbox)))
            .await
            .unwrap_or_else(|error| Err(panicked(error)));
        match driver {
            Ok(driver) => {
                outbox.answer(Message::Ready, true);
                Ok(Self {
                    driver,
                    outbox,
                    calls: JoinSet::new(),
                    in_flight: HashMap::new(),
                })
            }
            Err(message) => {
                outbox.close();
                Err(message)
            }
        }
    }

    fn call(&mut self, id: u64, function: String, arguments: Vec<Json>) {
        let announced = self.driver.announces(&function);
        if announced {
            self.outbox.announce();
        }
        let (driver, outbox) = (Arc::clone(&self.driver), Arc::clone(&self.outbox));
        let task = self.calls.spawn(async move {
            let message = match driver.call(function, arguments).await {
                Ok(value) => Message::Return { id, value },
                Err(refusal) => Message::Fault {
                    id,
                    message: refusal.to_string(),
                },
            };
            outbox.answer(message, announced);
        });
        self.in_flight.insert(task.id(), (id, announced));
    }

    /// A call's task ended; one that panicked has not answered.
    fn settle(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = ended
            .as_ref()
            .map_or_else(JoinError::id, |(task, ())| *task);
        if let (Some((id, announced)), Err(error)) = (self.in_flight.remove(&task), ended) {
            let message = Message::Fault {
                id,
                message: panicked(error),
            };
            self.outbox.answer(message, announced);
        }
    }
}

async fn end(case: Option<Case>) {
    if let Some(mut case) = case {
        case.calls.shutdown().await;
        // A panic has been shown on standard error; the case is over all the same.
        let driver = Arc::clone(&case.driver);
        let _ = tokio::spawn(async move { driver.end().await }).await;
        case.outbox.close();
    }
}

fn panicked(error: JoinError) -> String {
    let payload = match error.try_into_panic() {
        Ok(payload) => payload,
        Err(error) => return format!("the reference host gave up: {error}"),
    };
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!(
        "the reference host panicked: {}",
        text.as_deref().unwrap_or("no message")
    )
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use serde_json::json;

    use super::*;
    use crate::host::reference::driver::{Pending, Refusal};

    /// Panics in every function but `speak`, which sends an event before it returns.
    struct Clumsy(Arc<Outbox>);

    impl Driver for Clumsy {
        fn announces(&self, function: &str) -> bool {
            function != "plain"
        }

        fn call(
            self: Arc<Self>,
            function: String,
            _arguments: Vec<Json>,
        ) -> Pending<Result<Json, Refusal>> {
            self.0.event(json!(function));
            assert_eq!(function, "speak", "no such luck");
            Box::pin(async { Ok(json!("spoken")) })
        }

        fn end(self: Arc<Self>) -> Pending<()> {
            panic!("not even this")
        }
    }

    #[test]
    fn panics_are_faults_and_events_wait_for_announced_answers() {
        let (sender, messages) = channel();
        let heard = || {
            let message = messages
                .recv_timeout(Duration::from_secs(20))
                .expect("a message");
            serde_json::to_value(message).expect("JSON")
        };
        runtime().expect("a runtime").block_on(async {
            let outbox = Arc::new(Outbox::new(sender));
            let mut case = Case {
                driver: Arc::new(Clumsy(Arc::clone(&outbox))),
                outbox,
                calls: JoinSet::new(),
                in_flight: HashMap::new(),
            };
            for (id, function) in (1..).zip(["speak", "leap", "plain"]) {
                case.call(id, function.into(), Vec::new());
                let ended = case.calls.join_next_with_id().await.expect("a task");
                case.settle(ended);
            }
            end(Some(case)).await;
        });
        let fault = "the reference host panicked: assertion `left == right` failed: no such luck";
        assert_eq!(
            heard(),
            json!({"type": "return", "id": 1, "value": "spoken"})
        );
        assert_eq!(heard(), json!({"type": "event", "event": "speak"}));
        let answer = heard();
        assert_eq!(
            (&answer["type"], &answer["id"]),
            (&json!("fault"), &json!(2))
        );
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|text| text.starts_with(fault)),
            "{answer}"
        );
        assert_eq!(heard(), json!({"type": "event", "event": "leap"}));
        assert_eq!(heard(), json!({"type": "event", "event": "plain"}));
        assert_eq!(heard()["id"], json!(3));
        assert!(messages.recv().is_err(), "nothing after the end");
    }

    #[test]
    fn a_conversation_needs_a_case() {
        let (requests, messages) = open().expect("a runtime");
        let heard = || messages.recv_timeout(Duration::from_secs(20)).ok();
        let call = Request::Call {
            id: 7,
            function: "running".into(),
            arguments: Vec::new(),
        };
        let setup = Setup {
            case: "a.case".into(),
            contract: "zoo".into(),
            guests: BTreeMap::new(),
            environment: Json::Null,
        };
        for request in [call, Request::Begin(setup), Request::End, Request::Bye] {
            requests.send(request).expect("it listens");
        }
        assert!(matches!(heard(), Some(Message::Fault { id: 7, .. })));
        assert!(matches!(heard(), Some(Message::Unready { .. })));
        assert!(matches!(heard(), Some(Message::Done)));
        assert!(heard().is_none());
    }
}
