//! Which buffers of a record batch belong to which column (Columnar.md, "Flattened"): nodes and buffers are listed in
//! depth-first order of the schema.

use arrow::datatypes::{DataType, Schema};

/// A field node and its buffers, by their index in the record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Index of the field node.
    pub(super) index: usize,
    /// How deep it lies: 0 for a column of the schema.
    pub(super) depth: usize,
    /// The validity bitmap.
    pub(super) validity: Option<usize>,
    /// Offsets, and how wide they are in bytes.
    pub(super) offsets: Option<(usize, usize)>,
    /// The bytes of a variable-size column, and whether they are text.
    pub(super) data: Option<(usize, bool)>,
}

/// The nodes of a schema; `None` where it has a type whose buffers cannot be told from the schema alone (views, unions,
/// run-end encoding).
pub(super) fn nodes(schema: &Schema) -> Option<Vec<Node>> {
    let mut walk = Walk {
        nodes: Vec::new(),
        buffers: 0,
    };
    schema
        .fields()
        .iter()
        .try_for_each(|field| walk.field(field.data_type(), 0))?;
    Some(walk.nodes)
}

struct Walk {
    nodes: Vec<Node>,
    buffers: usize,
}

impl Walk {
    fn buffer(&mut self) -> usize {
        self.buffers += 1;
        self.buffers - 1
    }

    fn field(&mut self, ty: &DataType, depth: usize) -> Option<()> {
        let index = self.nodes.len();
        let mut node = Node {
            index,
            depth,
            validity: None,
            offsets: None,
            data: None,
        };
        if *ty != DataType::Null {
            node.validity = Some(self.buffer());
        }
        let children: Vec<&DataType> = match ty {
            DataType::Null => Vec::new(),
            DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => {
                let wide = matches!(ty, DataType::LargeUtf8 | DataType::LargeBinary);
                let text = matches!(ty, DataType::Utf8 | DataType::LargeUtf8);
                node.offsets = Some((self.buffer(), if wide { 8 } else { 4 }));
                node.data = Some((self.buffer(), text));
                Vec::new()
            }
            DataType::List(item) | DataType::Map(item, _) => {
                node.offsets = Some((self.buffer(), 4));
                vec![item.data_type()]
            }
            DataType::LargeList(item) => {
                node.offsets = Some((self.buffer(), 8));
                vec![item.data_type()]
            }
            DataType::FixedSizeList(item, _) => vec![item.data_type()],
            DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
            DataType::Utf8View
            | DataType::BinaryView
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Union(..)
            | DataType::RunEndEncoded(..) => return None,
            // Everything else, dictionary keys among them, has one buffer of values.
            _ => {
                self.buffer();
                Vec::new()
            }
        };
        self.nodes.push(node);
        children
            .into_iter()
            .try_for_each(|child| self.field(child, depth + 1))
    }
}
