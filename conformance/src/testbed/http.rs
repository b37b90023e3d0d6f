//! The HTTP server of the testbed: connections, what is recorded of a request, and who answers it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::{
    Response, StatusCode,
    body::Incoming,
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
    content::Content,
    log::{Log, Place, Request},
    mcp, model, routes, websocket,
};

/// Connections that are open at the same time, at most; one more is closed at once.
const MAX_OPEN: usize = 1024;

/// Bytes of a request body that are kept.
const MAX_BODY: usize = 64 << 20;
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

/// The connection is to be broken off, without an answer.
#[derive(Debug, thiserror::Error)]
#[error("broken off")]
pub(super) struct BreakOff;

async fn answer(
    mut request: hyper::Request<Incoming>,
    place: Place,
) -> Result<Response<Content>, BreakOff> {
    let (body, complete) = collect(request.body_mut()).await;
    if request.uri().path() == mcp::REPORT {
        // What a server of ours tells us is nothing that the host did over HTTP.
        return Ok(closing(mcp::http::reported(&body, &place)));
    }
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
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (route, rest) = path.split_once('/').unwrap_or((&path, ""));
    let response = match route {
        "mcp" => mcp::http::answer(&arrived, rest, &place).await?,
        "model" => model::answer(&arrived, rest, &place).await,
        "ws" => websocket::accept(request, rest, arrived.path, place),
        _ => {
            let content_type = request.headers().get(header::CONTENT_TYPE);
            routes::answer(&arrived, route, rest, content_type).await
        }
    };
    Ok(closing(response))
}

/// Ends the connection after this answer, unless it is a WebSocket from now on.
fn closing(mut response: Response<Content>) -> Response<Content> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
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
