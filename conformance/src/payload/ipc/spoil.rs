//! Puts one precise fault into a valid stream: everything but the fault stays as it was. A fault that has nothing to act
//! on is an error, so that no case passes for want of its fault.

use arrow::{
    datatypes::Schema,
    ipc::{MessageHeader, convert::try_fb_to_schema, writer::FileWriter},
};

use super::{
    decode::read,
    frame::{CONTINUATION, Frame, Frames, PREFIX, Table, i32_at, i64_at},
    layout::{self, Node},
};
use crate::payload::{PayloadError, literal::Spoil};

/// Slots of the flatbuffer tables, as `Message.fbs` and `Schema.fbs` number them.
mod slot {
    pub(super) const MESSAGE_VERSION: usize = 0;
    pub(super) const MESSAGE_HEADER: usize = 2;
    pub(super) const MESSAGE_BODY_LENGTH: usize = 3;
    pub(super) const SCHEMA_ENDIANNESS: usize = 0;
    pub(super) const BATCH_LENGTH: usize = 0;
    pub(super) const BATCH_NODES: usize = 1;
}

/// `MetadataVersion::V4` on the wire.
const VERSION_4: i16 = 3;
/// `Endianness::Big` on the wire.
const BIG: i16 = 1;
/// A byte that no UTF-8 text has.
const NOT_UTF8: u8 = 0xff;
/// How the fields of a table are stored, by slot.
const MESSAGE: &[Slot] = &[
    Slot::Scalar(2),
    Slot::Scalar(1),
    Slot::Offset,
    Slot::Scalar(8),
    Slot::Offset,
];
const SCHEMA: &[Slot] = &[Slot::Scalar(2), Slot::Offset, Slot::Offset, Slot::Offset];
const BATCH: &[Slot] = &[
    Slot::Scalar(8),
    Slot::Offset,
    Slot::Offset,
    Slot::Offset,
    Slot::Offset,
];

/// The stream with the fault in it.
pub fn spoil(mut bytes: Vec<u8>, fault: &Spoil) -> Result<Vec<u8>, PayloadError> {
    spoiled(&mut bytes, fault)
        .map(|()| bytes)
        .map_err(|error| match error {
            Refusal::Inapplicable(reason) => PayloadError::Spoil {
                fault: fault.to_string(),
                reason,
            },
            Refusal::Payload(error) => error,
        })
}

/// Why a fault was not put in.
enum Refusal {
    Inapplicable(String),
    Payload(PayloadError),
}

impl From<PayloadError> for Refusal {
    fn from(error: PayloadError) -> Self {
        Refusal::Payload(error)
    }
}

type Done = Result<(), Refusal>;

fn refuse(reason: impl Into<String>) -> Refusal {
    Refusal::Inapplicable(reason.into())
}

fn spoiled(bytes: &mut Vec<u8>, fault: &Spoil) -> Done {
    match fault {
        Spoil::Cut(size) if *size > bytes.len() => {
            return Err(refuse(format!("there are {} bytes", bytes.len())));
        }
        Spoil::Cut(size) => bytes.truncate(*size),
        Spoil::DropLast(size) => {
            let left = bytes.len().checked_sub(*size);
            bytes.truncate(left.ok_or_else(|| refuse(format!("there are {} bytes", bytes.len())))?);
        }
        Spoil::Append(more) => bytes.extend_from_slice(more),
        Spoil::Flip(bit) => {
            let length = bytes.len();
            let byte = bytes
                .get_mut(bit / 8)
                .ok_or_else(|| refuse(format!("there are {length} bytes")))?;
            *byte ^= 1 << (bit % 8);
        }
        Spoil::Twice => bytes.extend_from_within(..),
        Spoil::NoEos => {
            let frames = Frames::read(bytes)?;
            let eos = frames
                .eos
                .ok_or_else(|| refuse("the stream has no end-of-stream marker"))?;
            bytes.drain(eos..frames.end);
        }
        Spoil::FileFormat => *bytes = file(bytes)?,
        Spoil::MetadataLength(length) => {
            let at = last_batch(bytes)?.metadata.start - 4;
            patch(bytes, at, &length.to_le_bytes())?;
        }
        Spoil::BodyLength(length) => {
            let frame = last_batch(bytes)?;
            set(
                bytes,
                &frame,
                None,
                slot::MESSAGE_BODY_LENGTH,
                &length.to_le_bytes(),
            )?;
        }
        Spoil::RowCount(rows) => {
            let frame = last_batch(bytes)?;
            set(
                bytes,
                &frame,
                Some(BATCH),
                slot::BATCH_LENGTH,
                &rows.to_le_bytes(),
            )?;
        }
        Spoil::MetadataV4 => {
            // From the back: a table that grows moves only what follows it.
            for frame in Frames::read(bytes)?.frames.iter().rev() {
                set(
                    bytes,
                    frame,
                    None,
                    slot::MESSAGE_VERSION,
                    &VERSION_4.to_le_bytes(),
                )?;
            }
        }
        Spoil::BigEndian => {
            let frames = Frames::read(bytes)?;
            let schema = frames
                .frames
                .iter()
                .find(|frame| frame.kind == MessageHeader::Schema);
            let schema = schema.ok_or_else(|| refuse("the stream has no schema"))?;
            set(
                bytes,
                schema,
                Some(SCHEMA),
                slot::SCHEMA_ENDIANNESS,
                &BIG.to_le_bytes(),
            )?;
        }
        Spoil::NullCount(count) => null_count(bytes, *count)?,
        Spoil::Offsets => offsets(bytes)?,
        Spoil::Utf8 => utf8(bytes)?,
    }
    Ok(())
}

fn last_batch(bytes: &[u8]) -> Result<Frame, Refusal> {
    Frames::read(bytes)?
        .last_batch()
        .cloned()
        .ok_or_else(|| refuse("the stream has no record batch"))
}

fn file(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let stream = read(bytes)?;
    let arrow = |error: arrow::error::ArrowError| PayloadError::Arrow(error.to_string());
    let mut writer = FileWriter::try_new(Vec::new(), &stream.schema).map_err(arrow)?;
    for batch in &stream.batches {
        writer.write(batch).map_err(arrow)?;
    }
    Ok(writer.into_inner().map_err(arrow)?)
}

fn null_count(bytes: &mut [u8], count: i64) -> Done {
    let frame = last_batch(bytes)?;
    let metadata = &bytes[frame.metadata.clone()];
    let nodes = Table::root(metadata)
        .and_then(|message| {
            message
                .table(slot::MESSAGE_HEADER)?
                .target(slot::BATCH_NODES)
        })
        .filter(|nodes| i32_at(metadata, *nodes).is_some_and(|length| length > 0))
        .ok_or_else(|| refuse("the last record batch has no column"))?;
    // A vector is its length, then its elements; a field node is its length, then its null count.
    patch(
        bytes,
        frame.metadata.start + nodes + 4 + 8,
        &count.to_le_bytes(),
    )
}

fn offsets(bytes: &mut [u8]) -> Done {
    let column = Column::find(bytes, |node, rows| node.offsets.is_some() && rows > 0)?
        .ok_or_else(|| refuse("the last record batch has no variable-size column with a row"))?;
    let last = column
        .offset(bytes, column.rows)
        .ok_or_else(|| refuse("the column has no offsets"))?;
    let at = column
        .offset_at(column.rows - 1)
        .ok_or_else(|| refuse("the column has no offsets"))?;
    let wide = (last + 1).to_le_bytes();
    let width = column.node.offsets.map_or(0, |(_, width)| width);
    patch(bytes, at, &wide[..width])
}

fn utf8(bytes: &mut [u8]) -> Done {
    let column = Column::find(bytes, |node, rows| {
        matches!(node.data, Some((_, true))) && rows > 0
    })?;
    let place = column.and_then(|column| {
        let first = usize::try_from(column.offset(bytes, 0)?).ok()?;
        let last = usize::try_from(column.offset(bytes, column.rows)?).ok()?;
        let data = column.buffers.get(column.node.data?.0)?;
        (first < last && last <= data.1).then_some(data.0 + first)
    });
    let at = place.ok_or_else(|| {
        refuse("the first text column of the last record batch has no byte of text")
    })?;
    patch(bytes, at, &[NOT_UTF8])
}

/// A column of the last record batch and where its buffers lie.
struct Column {
    node: Node,
    rows: usize,
    /// Start in the stream and length of every buffer of the batch.
    buffers: Vec<(usize, usize)>,
}

impl Column {
    /// The first node that fits, by its layout and its number of rows.
    fn find(bytes: &[u8], fits: impl Fn(&Node, usize) -> bool) -> Result<Option<Self>, Refusal> {
        let frames = Frames::read(bytes)?;
        let frame = frames
            .last_batch()
            .ok_or_else(|| refuse("the stream has no record batch"))?;
        let nodes = layout::nodes(&schema(bytes, &frames)?).ok_or_else(|| {
            refuse("the schema has a column of views, a union or run-end encoding")
        })?;
        let Some(batch) = frame.batch(bytes)? else {
            return Ok(None);
        };
        let (Some(lengths), Some(buffers)) = (batch.nodes(), batch.buffers()) else {
            return Ok(None);
        };
        let rows = |node: &Node| {
            (node.index < lengths.len())
                .then(|| usize::try_from(lengths.get(node.index).length()).ok())
                .flatten()
        };
        let node = nodes.into_iter().find_map(|node| {
            rows(&node)
                .filter(|rows| fits(&node, *rows))
                .map(|rows| (node, rows))
        });
        let Some((node, rows)) = node else {
            return Ok(None);
        };
        let place = |buffer: &arrow::ipc::Buffer| {
            Some((
                frame
                    .body
                    .start
                    .checked_add(usize::try_from(buffer.offset()).ok()?)?,
                usize::try_from(buffer.length()).ok()?,
            ))
        };
        let buffers = buffers.iter().map(place).collect::<Option<Vec<_>>>();
        Ok(buffers.map(|buffers| Column {
            node,
            rows,
            buffers,
        }))
    }

    /// Where offset `index` lies.
    fn offset_at(&self, index: usize) -> Option<usize> {
        let (buffer, width) = self.node.offsets?;
        let (start, length) = *self.buffers.get(buffer)?;
        let at = index.checked_mul(width)?;
        (at.checked_add(width)? <= length).then_some(start + at)
    }

    fn offset(&self, bytes: &[u8], index: usize) -> Option<i64> {
        let at = self.offset_at(index)?;
        match self.node.offsets?.1 {
            4 => i32_at(bytes, at).map(i64::from),
            _ => i64_at(bytes, at),
        }
    }
}

fn schema(bytes: &[u8], frames: &Frames) -> Result<Schema, Refusal> {
    let frame = frames
        .frames
        .iter()
        .find(|frame| frame.kind == MessageHeader::Schema);
    let frame = frame.ok_or_else(|| refuse("the stream has no schema"))?;
    let message = frame.message(bytes)?;
    let schema = message
        .header_as_schema()
        .ok_or_else(|| refuse("the stream has no schema"))?;
    Ok(try_fb_to_schema(schema).map_err(|error| PayloadError::Arrow(error.to_string()))?)
}

fn patch(bytes: &mut [u8], at: usize, value: &[u8]) -> Done {
    let place = at
        .checked_add(value.len())
        .and_then(|end| bytes.get_mut(at..end));
    place
        .ok_or_else(|| refuse("the field lies outside of the stream"))?
        .copy_from_slice(value);
    Ok(())
}

/// Sets a scalar of a message's table (of its header's, if `header` says how that is stored). A field that the flatbuffer
/// leaves out, because it has its default, makes the tables be written anew in front of the old ones.
fn set(
    bytes: &mut Vec<u8>,
    frame: &Frame,
    header: Option<&'static [Slot]>,
    slot: usize,
    value: &[u8],
) -> Done {
    let metadata = &bytes[frame.metadata.clone()];
    let broken = || refuse("the message has no table to patch");
    let message = Table::root(metadata).ok_or_else(broken)?;
    let table = match header {
        Some(_) => message.table(slot::MESSAGE_HEADER).ok_or_else(broken)?,
        None => message,
    };
    if let Some(at) = table.field(slot) {
        return patch(bytes, frame.metadata.start + at, value);
    }
    let mut front = Front::default();
    front.bytes.extend_from_slice(&[0; 4]);
    let root = front
        .table(
            metadata,
            message,
            MESSAGE,
            header.is_none().then_some((slot, value)),
        )
        .ok_or_else(broken)?;
    front.bytes[..4].copy_from_slice(&offset(root));
    if let Some(slots) = header {
        let at = front
            .table(metadata, table, slots, Some((slot, value)))
            .ok_or_else(broken)?;
        // The new message points at the new header, not at the old one.
        let link = front
            .links
            .iter()
            .position(|(_, target)| Some(*target) == message.target(slot::MESSAGE_HEADER));
        let (link, _) = front.links.remove(link.ok_or_else(broken)?);
        front.bytes[link..link + 4].copy_from_slice(&offset(at - link));
    }
    let front = front.finish();
    let length = i32::try_from(frame.metadata.len() + front.len())
        .map_err(|_| refuse("the metadata is too long"))?;
    patch(
        bytes,
        frame.metadata.start - (PREFIX - CONTINUATION.len()),
        &length.to_le_bytes(),
    )?;
    bytes.splice(frame.metadata.start..frame.metadata.start, front);
    Ok(())
}

/// How a field of a table is stored.
#[derive(Clone, Copy)]
enum Slot {
    /// So many bytes.
    Scalar(usize),
    /// A forward offset of four bytes.
    Offset,
}

/// Tables written in front of an old flatbuffer, whose offsets point into it.
#[derive(Default)]
struct Front {
    bytes: Vec<u8>,
    /// Place of an offset here, and what it points at in the old bytes.
    links: Vec<(usize, usize)>,
}

impl Front {
    /// A copy of a table with one more field; returns where it starts.
    fn table(
        &mut self,
        old: &[u8],
        table: Table<'_>,
        slots: &[Slot],
        more: Option<(usize, &[u8])>,
    ) -> Option<usize> {
        // The virtual table: its size, the table's size, one entry a slot.
        let head = 4 + 2 * slots.len();
        self.align(8);
        let vtable = self.bytes.len();
        self.bytes.resize(vtable + head, 0);
        self.align(8);
        let start = self.bytes.len();
        let back = i32::try_from(start - vtable).ok()?;
        self.bytes.extend_from_slice(&back.to_le_bytes());
        self.bytes[vtable..vtable + 2].copy_from_slice(&u16::try_from(head).ok()?.to_le_bytes());
        for (index, slot) in slots.iter().enumerate() {
            let value = match (more, slot) {
                (Some((new, value)), _) if new == index => value.to_vec(),
                (_, Slot::Scalar(size)) => match table.field(index) {
                    Some(at) => old.get(at..at + size)?.to_vec(),
                    None => continue,
                },
                (_, Slot::Offset) if table.field(index).is_some() => vec![0; 4],
                (_, Slot::Offset) => continue,
            };
            self.align(value.len());
            let at = self.bytes.len();
            let entry = u16::try_from(at - start).ok()?;
            self.bytes[vtable + 4 + 2 * index..][..2].copy_from_slice(&entry.to_le_bytes());
            if matches!(slot, Slot::Offset) {
                self.links.push((at, table.target(index)?));
            }
            self.bytes.extend_from_slice(&value);
        }
        let size = u16::try_from(self.bytes.len() - start).ok()?;
        self.bytes[vtable + 2..vtable + 4].copy_from_slice(&size.to_le_bytes());
        Some(start)
    }

    /// The bytes, of a length that keeps the alignment of everything behind them.
    fn finish(mut self) -> Vec<u8> {
        self.align(64);
        let length = self.bytes.len();
        for (at, target) in self.links {
            self.bytes[at..at + 4].copy_from_slice(&offset(length + target - at));
        }
        self.bytes
    }

    fn align(&mut self, to: usize) {
        let length = self.bytes.len().next_multiple_of(to);
        self.bytes.resize(length, 0);
    }
}

/// A flatbuffer offset. Metadata is shorter than 2 GiB, so it fits.
fn offset(distance: usize) -> [u8; 4] {
    u32::try_from(distance).unwrap_or(u32::MAX).to_le_bytes()
}
