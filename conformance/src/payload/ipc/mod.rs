//! Arrow IPC streams (<https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>): `encode` makes one of
//! a literal, `spoil` puts one precise fault into it, `decode` reads one that a stranger made.

mod decode;
mod encode;
mod frame;
mod layout;
mod spoil;
mod types;

pub use decode::{IpcContent, MAX_BYTES, MAX_VALUES, decode};
pub use encode::encode;
pub use spoil::spoil;
pub use types::{known_type, type_name};
