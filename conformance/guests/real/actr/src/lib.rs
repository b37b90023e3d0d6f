//! A workload as people write them: echoes, counts, tells who called, and passes on errors.

wit_bindgen::generate!({
    path: "../../../../wit/actr",
    world: "actr-workload-guest",
    generate_all,
});

use std::cell::Cell;

use actr::workload::{
    host,
    types::{
        ActrError, ActrId, BackpressureEvent, CredentialEvent, DataStream, Dest, ErrorEvent,
        PeerEvent, RpcEnvelope,
    },
};

struct Workload;

export!(Workload);

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

impl exports::actr::workload::workload::Guest for Workload {
    fn dispatch(envelope: RpcEnvelope) -> Result<Vec<u8>, ActrError> {
        match envelope.route_key.as_str() {
            "echo" => Ok(envelope.payload),
            "count" => {
                COUNT.set(COUNT.get() + 1);
                Ok(COUNT.get().to_string().into_bytes())
            }
            "who" => {
                let me = host::get_self_id().type_.name;
                let caller = host::get_caller_id().map_or("nobody".to_owned(), |id| id.type_.name);
                Ok(format!("{me} {caller} {}", host::get_request_id()).into_bytes())
            }
            "forward" => host::call(&Dest::Shell, "forwarded", &envelope.payload),
            route => Err(ActrError::UnknownRoute(route.to_owned())),
        }
    }

    fn on_start() -> Result<(), ActrError> {
        host::log_message("info", "started");
        Ok(())
    }

    fn on_ready() -> Result<(), ActrError> {
        Ok(())
    }

    fn on_stop() -> Result<(), ActrError> {
        host::log_message("info", "stopped");
        Ok(())
    }

    fn on_error(_: ErrorEvent) -> Result<(), ActrError> {
        Ok(())
    }

    fn on_signaling_connecting() {}

    fn on_signaling_connected() {}

    fn on_signaling_disconnected() {}

    fn on_websocket_connecting(_: PeerEvent) {}

    fn on_websocket_connected(_: PeerEvent) {}

    fn on_websocket_disconnected(_: PeerEvent) {}

    fn on_webrtc_connecting(_: PeerEvent) {}

    fn on_webrtc_connected(_: PeerEvent) {}

    fn on_webrtc_disconnected(_: PeerEvent) {}

    fn on_credential_renewed(_: CredentialEvent) {}

    fn on_credential_expiring(_: CredentialEvent) {}

    fn on_mailbox_backpressure(_: BackpressureEvent) {}

    fn on_data_stream(chunk: DataStream, sender: ActrId) -> Result<(), ActrError> {
        host::log_message(
            "info",
            &format!(
                "{} {} from {}",
                chunk.stream_id, chunk.sequence, sender.type_.name
            ),
        );
        Ok(())
    }
}
