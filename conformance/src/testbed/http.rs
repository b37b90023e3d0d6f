//! The HTTP server of the testbed: its routes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{
    Response, StatusCode,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{
    log::{Log, Request},
    websocket::{self, Place},
};

/// Connections that are open at the same time, at most; one more is closed at once.
const MAX_OPEN: usize = 1024;

/// Bytes of a request body that are kept.
const MAX_BODY: usize = 64 << 20;
/// Bytes that `/bytes/N` answers at most.
const MAX_BYTES: u64 = 1 << 30;
/// What `/bytes/N` sends again and again.
static CHUNK: [u8; 16 << 10] = [b'a'; 16 << 10];
/// How long to wait when the system has no more sockets.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Accepts connections until dropped.
pub(super) async fn serve(listener: TcpListener, ours: SocketAddr, log: Arc<Log>) {
    loop {
        match listener.accept().await {
            Ok((stream, theirs)) => {
                let mut epochs = log.epoch.subscribe();
                let epoch = *epochs.borrow_and_update();
                let place = Place {
                    epoch,
                    epochs,
                    log: log.clone(),
                };
                if *log.open.borrow() < MAX_OPEN {
                    log.open.send_modify(|open| *open += 1);
                    tokio::spawn(connection(stream, place));
                }
                log.accept(ours, theirs);
            }
            Err(_) => sleep(BACK_OFF).await,
        }
    }
}

/// Serves one connection until it ends or the testbed is reset.
async fn connection(stream: TcpStream, place: Place) {
    let mut epochs = place.epochs.clone();
    let log = place.log.clone();
    let service = service_fn(|request| answer(request, place.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        // A client that breaks off is the case's business; what came is recorded.
        _ = served => {}
        _ = epochs.changed() => {}
    }
    log.open.send_modify(|open| *open -= 1);
}

async fn answer(
    mut request: hyper::Request<Incoming>,
    place: Place,
) -> Result<Response<Content>, Infallible> {
    let (body, complete) = collect(request.body_mut()).await;
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let path = request.uri().path_and_query();
    let arrived = Request {
        method: request.method().as_str().to_owned(),
        path: path.map_or("*", |path| path.as_str()).to_owned(),
        headers: headers.collect(),
        body,
        complete,
    };
    place.log.request(place.epoch, arrived.clone());
    let mut response = if request.uri().path().starts_with("/ws/") {
        websocket::accept(request, arrived.path, place)
    } else {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        respond(&arrived, content_type).await
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn collect(body: &mut Incoming) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return (bytes, false);
        };
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = MAX_BODY - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return (bytes, false);
        }
    }
    (bytes, true)
}

async fn respond(request: &Request, content_type: Option<&HeaderValue>) -> Response<Content> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let (route, rest) = path
        .trim_start_matches('/')
        .split_once('/')
        .unwrap_or((path.trim_start_matches('/'), ""));
    match route {
        "echo" => {
            let mut response = Response::new(Content::of(request.body.clone()));
            response
                .headers_mut()
                .extend(content_type.map(|value| (header::CONTENT_TYPE, value.clone())));
            let method = HeaderValue::from_str(&request.method);
            response
                .headers_mut()
                .extend(method.ok().map(|method| (METHOD, method)));
            response
        }
        "status" => {
            let code = rest.parse().ok().filter(|code| (200..600).contains(code));
            match code.and_then(|code| StatusCode::from_u16(code).ok()) {
                Some(status) => status_only(status),
                None => status_only(StatusCode::NOT_FOUND),
            }
        }
        "bytes" => match rest
            .parse::<u64>()
            .ok()
            .filter(|length| *length <= MAX_BYTES)
        {
            Some(left) => Response::new(Content::Same { left }),
            None => status_only(StatusCode::NOT_FOUND),
        },
        "slow" => match rest.parse() {
            Ok(milliseconds) => {
                sleep(Duration::from_millis(milliseconds)).await;
                status_only(StatusCode::OK)
            }
            Err(_) => status_only(StatusCode::NOT_FOUND),
        },
        "hang" => std::future::pending().await,
        "redirect" => {
            let to = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("to="))
                .map(percent_decoded);
            match to.and_then(|to| HeaderValue::from_bytes(&to).ok()) {
                Some(to) => {
                    let mut response = status_only(StatusCode::FOUND);
                    response.headers_mut().insert(header::LOCATION, to);
                    response
                }
                None => status_only(StatusCode::NOT_FOUND),
            }
        }
        "text" => {
            let mut response = Response::new(Content::of(percent_decoded(rest)));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            response
        }
        _ => status_only(StatusCode::NOT_FOUND),
    }
}

/// Says the method of an echoed request.
const METHOD: header::HeaderName = header::HeaderName::from_static("witgate-method");

pub(super) fn status_only(status: StatusCode) -> Response<Content> {
    let mut response = Response::new(Content::of(Vec::new()));
    *response.status_mut() = status;
    response
}

/// `%41` and `A` alike; what is no escape stays as it is.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match escape
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|_| first == b'%')
        {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

/// The body of an answer.
pub(super) enum Content {
    /// These bytes.
    Whole(Option<Bytes>),
    /// So many bytes `a`.
    Same { left: u64 },
}

impl Content {
    fn of(bytes: Vec<u8>) -> Self {
        Content::Whole((!bytes.is_empty()).then(|| Bytes::from(bytes)))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut *self {
            Content::Whole(bytes) => bytes.take(),
            Content::Same { left: 0 } => None,
            Content::Same { left } => {
                let length =
                    usize::try_from(*left).map_or(CHUNK.len(), |left| left.min(CHUNK.len()));
                *left = left.saturating_sub(length as u64);
                Some(Bytes::from_static(&CHUNK[..length]))
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Content::Whole(None) | Content::Same { left: 0 })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Content::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Content::Same { left } => *left,
        })
    }
}
