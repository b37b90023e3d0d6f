//! What a host step can look at beside the driver's answers: what the testbed saw.

use fixtures::abi::{Field, Type};

use crate::testbed::ToolCallKind;

/// Something that the testbed saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// `files`: what is in `\{dir}`.
    Files,
    /// `frames`: what the WebSocket server got.
    Frames,
    /// `requests`: what the HTTP server got.
    Requests,
    /// `tool-calls`: what the MCP servers got.
    ToolCalls,
}

impl Observed {
    /// All of them, in alphabetical order.
    pub const ALL: [Self; 4] = [Self::Files, Self::Frames, Self::Requests, Self::ToolCalls];

    /// Kinds of entries of `files`, in the order of its enum.
    pub const FILE_KINDS: [&str; 3] = ["file", "dir", "symlink"];

    /// Kinds of entries of `frames`, in the order of its enum.
    pub const FRAME_KINDS: [&str; 7] = ["open", "text", "binary", "ping", "pong", "close", "lost"];

    /// The word that a case writes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Frames => "frames",
            Self::Requests => "requests",
            Self::ToolCalls => "tool-calls",
        }
    }

    /// A list of records.
    pub fn ty(self) -> Type {
        let fields = match self {
            Self::Files => vec![
                ("path", Type::String),
                ("kind", kinds(&Self::FILE_KINDS)),
                ("content", Type::List(Type::U8.into())),
            ],
            Self::Frames => vec![
                ("path", Type::String),
                ("connection", Type::U32),
                ("kind", kinds(&Self::FRAME_KINDS)),
                ("text", Type::String),
            ],
            Self::Requests => {
                let header = Type::Tuple(vec![Type::String, Type::String].into());
                vec![
                    ("method", Type::String),
                    ("path", Type::String),
                    ("headers", Type::List(header.into())),
                    ("body", Type::String),
                ]
            }
            Self::ToolCalls => vec![
                ("server", Type::String),
                ("kind", kinds(&ToolCallKind::ALL.map(ToolCallKind::name))),
                ("tool", Type::String),
                ("arguments", Type::String),
            ],
        };
        let fields = fields.into_iter().map(|(name, ty)| Field {
            name: name.into(),
            ty,
        });
        Type::List(Type::Record(fields.collect()).into())
    }
}

fn kinds(names: &[&str]) -> Type {
    Type::Enum(names.iter().map(|name| (*name).into()).collect())
}
