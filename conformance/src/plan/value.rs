//! Values into words and memory images: constants are laid out before the guest runs, the rest is put together by it.

use fixtures::{
    abi::{self, Type, Value, flatten},
    puppet::{Arith, Op, Operand, Program, Slot, Width},
};

use super::{
    PlanError,
    handler::{Compiler, Place},
};
use crate::case::model::{Expr, ExprKind, Span, TextPart, Word};

/// Digits of a loop variable in a text.
const DIGITS: u32 = 6;

/// Repeated text up to this many bytes is laid out as a constant.
const CONSTANT_BYTES: usize = 256;

/// Words to be filled in once a value has been lowered around them.
#[derive(Default)]
struct Holes {
    words: Vec<Vec<Operand>>,
}

impl Compiler<'_> {
    /// The flat words of a value.
    pub(super) fn expr_words(&mut self, expr: &Expr) -> Result<Vec<Operand>, PlanError> {
        let mut holes = Holes::default();
        let value = self.template(expr, &mut holes)?;
        let mut image = Image::new(&mut self.program);
        let words = abi::lower_flat(&mut image, &value, &expr.ty)
            .map_err(|error| PlanError::new(expr.span, error.to_string()))?;
        let patches = image.finish();
        let mut words: Vec<Operand> = words.into_iter().map(Operand::Imm).collect();
        for (hole, ty, place) in patches {
            let filled = hole_words(&holes, hole, expr.span)?;
            match place {
                abi::Place::Flat { index } => {
                    for (slot, word) in words.iter_mut().skip(index).zip(filled) {
                        *slot = *word;
                    }
                }
                abi::Place::Memory { addr } => self.patch(addr, &ty, filled),
            }
        }
        Ok(words)
    }

    /// Lays a value out in memory; the address of its first byte.
    pub(super) fn expr_memory(
        &mut self,
        ty: &Type,
        parts: &[Expr],
        span: Span,
    ) -> Result<u32, PlanError> {
        let mut holes = Holes::default();
        let values = parts
            .iter()
            .map(|part| self.template(part, &mut holes))
            .collect::<Result<Vec<_>, _>>()?;
        let value = match (ty, values) {
            (Type::Tuple(_), values) => Value::Tuple(values),
            (_, mut values) => values
                .pop()
                .ok_or_else(|| PlanError::new(span, "no value"))?,
        };
        let mut image = Image::new(&mut self.program);
        let address = image.reserve(abi::size(ty), abi::align(ty));
        abi::store(&mut image, &value, ty, address)
            .map_err(|error| PlanError::new(span, error.to_string()))?;
        let patches = image.finish();
        for (hole, ty, place) in patches {
            let filled = hole_words(&holes, hole, span)?;
            if let abi::Place::Memory { addr } = place {
                self.patch(addr, &ty, filled);
            }
        }
        Ok(address)
    }

    /// Stores words where a hole was left in the image.
    fn patch(&mut self, addr: u32, ty: &Type, words: &[Operand]) {
        let mut offset = 0;
        let widths: Vec<Width> = match flatten(ty).len() {
            1 => vec![width(abi::size(ty))],
            n => vec![Width::W32; n],
        };
        for (word, width) in words.iter().zip(widths) {
            self.program.push(Op::Store {
                addr: Operand::Imm(u64::from(addr)),
                offset,
                width,
                src: *word,
            });
            offset += bytes(width);
        }
    }

    fn template(&mut self, expr: &Expr, holes: &mut Holes) -> Result<Value, PlanError> {
        let span = expr.span;
        Ok(match &expr.kind {
            ExprKind::Const(value) => value.clone(),
            ExprKind::Var(name) => {
                let words = self.var_words(name, span)?;
                holes.leave_parts(&expr.ty, &mut words.into_iter())
            }
            ExprKind::List(items) => Value::List(self.templates(items, holes)?),
            ExprKind::Record(items) => Value::Record(self.templates(items, holes)?),
            ExprKind::Tuple(items) => Value::Tuple(self.templates(items, holes)?),
            ExprKind::Variant(case, payload) => {
                let payload = match payload {
                    Some(payload) => Some(Box::new(self.template(payload, holes)?)),
                    None => None,
                };
                variant(&expr.ty, *case, payload)
            }
            ExprKind::Text(parts) => self.text(parts, &expr.ty, span, holes)?,
            ExprKind::Repeat(unit, count) => self.repeat(unit, *count, &expr.ty, holes),
            ExprKind::Concat(parts) => {
                let words = self.concat(parts)?;
                holes.leave(words)
            }
            ExprKind::SizeLe32(inner) => {
                let words = self.expr_words(inner)?;
                let size = words.get(1).copied().unwrap_or(Operand::Imm(0));
                let area = self.alloc(Operand::Imm(4), 1);
                self.program.push(Op::Store {
                    addr: Operand::Slot(area),
                    offset: 0,
                    width: Width::W32,
                    src: size,
                });
                holes.leave(vec![Operand::Slot(area), Operand::Imm(4)])
            }
            ExprKind::Instance { .. } => {
                return Err(PlanError::new(
                    span,
                    "ids of instances are known to host steps only",
                ));
            }
        })
    }

    fn templates(&mut self, items: &[Expr], holes: &mut Holes) -> Result<Vec<Value>, PlanError> {
        items
            .iter()
            .map(|item| self.template(item, holes))
            .collect()
    }

    fn text(
        &mut self,
        parts: &[TextPart],
        ty: &Type,
        span: Span,
        holes: &mut Holes,
    ) -> Result<Value, PlanError> {
        let mut text = String::new();
        let mut digits = Vec::new();
        for part in parts {
            match part {
                TextPart::Literal(literal) => text.push_str(literal),
                TextPart::Surrounding(name) => {
                    let value = self
                        .surroundings
                        .get(name)
                        .ok_or_else(|| PlanError::new(span, format!("this run has no `{name}`")))?;
                    text.push_str(value);
                }
                TextPart::Loop(name) => {
                    let slot = *self.scope.loops.get(name).ok_or_else(|| {
                        PlanError::new(span, format!("no loop counts `{name}` here"))
                    })?;
                    digits.push((text.len(), slot));
                    text.push_str("000000");
                }
                TextPart::Var(name) => {
                    return Err(PlanError::new(
                        span,
                        format!("`{name}` can't be put into a text here; use `concat`"),
                    ));
                }
            }
        }
        if digits.is_empty() {
            return Ok(constant(text.into_bytes(), ty));
        }
        let len = text.len();
        let address = self
            .program
            .reserve(u32::try_from(len).unwrap_or(u32::MAX), 1);
        self.program.write(address, text.as_bytes());
        for (offset, slot) in digits {
            self.program.push(Op::Digits {
                addr: Operand::Imm(u64::from(address) + offset as u64),
                width: DIGITS,
                src: Operand::Slot(slot),
            });
        }
        Ok(holes.leave(vec![
            Operand::Imm(u64::from(address)),
            Operand::Imm(len as u64),
        ]))
    }

    fn repeat(&mut self, unit: &[u8], count: u32, ty: &Type, holes: &mut Holes) -> Value {
        let total = unit.len() as u64 * u64::from(count);
        if total <= CONSTANT_BYTES as u64 {
            return constant(unit.repeat(count as usize), ty);
        }
        let source = self.program.place_bytes(unit, 1);
        let area = self.alloc(Operand::Imm(total), 1);
        self.program.push(Op::Repeat {
            dst: Operand::Slot(area),
            src: Operand::Imm(u64::from(source)),
            len: Operand::Imm(unit.len() as u64),
            count: Operand::Imm(u64::from(count)),
        });
        holes.leave(vec![Operand::Slot(area), Operand::Imm(total)])
    }

    fn concat(&mut self, parts: &[Expr]) -> Result<Vec<Operand>, PlanError> {
        let mut pieces = Vec::new();
        for part in parts {
            let words = self.expr_words(part)?;
            let (Some(&ptr), Some(&len)) = (words.first(), words.get(1)) else {
                return Err(PlanError::new(
                    part.span,
                    "`concat` takes texts and byte lists",
                ));
            };
            pieces.push((ptr, len));
        }
        let total = self.program.slot();
        self.program.push(Op::Set {
            dst: total,
            src: Operand::Imm(0),
        });
        for (_, len) in &pieces {
            self.add(total, *len);
        }
        let area = self.alloc(Operand::Slot(total), 1);
        let at = self.program.slot();
        self.program.push(Op::Set {
            dst: at,
            src: Operand::Slot(area),
        });
        for (ptr, len) in pieces {
            self.program.push(Op::Copy {
                dst: Operand::Slot(at),
                src: ptr,
                len,
            });
            self.add(at, len);
        }
        Ok(vec![Operand::Slot(area), Operand::Slot(total)])
    }

    pub(super) fn add(&mut self, slot: Slot, by: Operand) {
        self.program.push(Op::Arith {
            op: Arith::Add,
            dst: slot,
            a: Operand::Slot(slot),
            b: by,
        });
    }

    pub(super) fn alloc(&mut self, size: Operand, align: u32) -> Slot {
        let dst = self.program.slot();
        self.program.push(Op::Alloc { dst, size, align });
        dst
    }

    /// The flat words of a bound value.
    pub(super) fn var_words(&mut self, name: &str, span: Span) -> Result<Vec<Operand>, PlanError> {
        if let Some(slot) = self.scope.loops.get(name) {
            return Ok(vec![Operand::Slot(*slot)]);
        }
        let (place, ty) = self
            .scope
            .vars
            .get(name)
            .cloned()
            .ok_or_else(|| PlanError::new(span, format!("`{name}` is not bound")))?;
        self.words(&place, &ty, span)
    }

    /// The flat words of what lies at a place.
    pub(super) fn words(
        &mut self,
        place: &Place,
        ty: &Type,
        span: Span,
    ) -> Result<Vec<Operand>, PlanError> {
        match place {
            Place::Words(words) => Ok(words.clone()),
            Place::Memory { base, offset } => self.load_words(*base, *offset, ty, span),
        }
    }

    fn load_words(
        &mut self,
        base: Operand,
        offset: u32,
        ty: &Type,
        span: Span,
    ) -> Result<Vec<Operand>, PlanError> {
        let parts: Vec<Type> = match ty {
            Type::Record(fields) => fields.iter().map(|field| field.ty.clone()).collect(),
            Type::Tuple(types) => types.to_vec(),
            Type::Variant(_) | Type::Option(_) | Type::Result(..) | Type::FixedList(..) => {
                return Err(PlanError::new(
                    span,
                    format!("a whole `{ty}` can't be passed on; bind its parts"),
                ));
            }
            Type::String | Type::List(_) => {
                return Ok(vec![
                    self.load(base, offset, Width::W32),
                    self.load(base, offset + 4, Width::W32),
                ]);
            }
            scalar => return Ok(vec![self.load(base, offset, width(abi::size(scalar)))]),
        };
        let mut words = Vec::new();
        for (part, at) in parts.iter().zip(abi::field_offsets(&parts)) {
            words.extend(self.load_words(base, offset + at, part, span)?);
        }
        Ok(words)
    }

    pub(super) fn load(&mut self, addr: Operand, offset: u32, width: Width) -> Operand {
        let dst = self.program.slot();
        self.program.push(Op::Load {
            dst,
            addr,
            offset,
            width,
        });
        Operand::Slot(dst)
    }

    pub(super) fn raw_word(
        &mut self,
        word: &Word,
        out: Operand,
        span: Span,
    ) -> Result<Operand, PlanError> {
        Ok(match word {
            Word::Integer(value) => Operand::Imm(*value as u64),
            Word::Var(name) => {
                let words = self.var_words(name, span)?;
                words.first().copied().unwrap_or(Operand::Imm(0))
            }
            Word::Address(bytes) => Operand::Imm(u64::from(self.program.place_bytes(bytes, 16))),
            Word::Out => out,
        })
    }
}

impl Holes {
    /// A record is lowered field by field, so each field is a hole of its own.
    fn leave_parts(&mut self, ty: &Type, words: &mut impl Iterator<Item = Operand>) -> Value {
        match ty {
            Type::Record(fields) => Value::Record(
                fields
                    .iter()
                    .map(|field| self.leave_parts(&field.ty, words))
                    .collect(),
            ),
            Type::Tuple(types) => {
                Value::Tuple(types.iter().map(|ty| self.leave_parts(ty, words)).collect())
            }
            ty => self.leave(words.take(flatten(ty).len()).collect()),
        }
    }

    fn leave(&mut self, words: Vec<Operand>) -> Value {
        self.words.push(words);
        Value::Opaque(self.words.len() as u32 - 1)
    }
}

fn hole_words(holes: &Holes, hole: u32, span: Span) -> Result<&[Operand], PlanError> {
    holes
        .words
        .get(hole as usize)
        .map(Vec::as_slice)
        .ok_or_else(|| PlanError::new(span, "a value went missing"))
}

fn constant(bytes: Vec<u8>, ty: &Type) -> Value {
    match ty {
        Type::String => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Value::Bytes(bytes),
    }
}

fn variant(ty: &Type, case: u32, payload: Option<Box<Value>>) -> Value {
    match ty {
        Type::Option(_) => Value::Option(payload),
        Type::Result(..) if case == 0 => Value::Result(Ok(payload)),
        Type::Result(..) => Value::Result(Err(payload)),
        Type::Enum(_) => Value::Enum(case),
        _ => Value::Variant(case, payload),
    }
}

pub(super) fn width(size: u32) -> Width {
    match size {
        1 => Width::W8,
        2 => Width::W16,
        8 => Width::W64,
        _ => Width::W32,
    }
}

/// How wide the discriminant of a variant, enum, option or result is in memory.
pub(super) fn discriminant_width(ty: &Type) -> Width {
    let cases = match ty {
        Type::Variant(cases) => cases.len(),
        Type::Enum(labels) => labels.len(),
        _ => 2,
    };
    width(abi::discriminant_size(cases))
}

fn bytes(width: Width) -> u32 {
    match width {
        Width::W8 => 1,
        Width::W16 => 2,
        Width::W32 => 4,
        Width::W64 => 8,
    }
}

/// The program's static image as memory to lower into: what lowering allocates is reserved in the program, and written
/// there once the whole value stands.
struct Image<'a> {
    program: &'a mut Program,
    memory: Vec<u8>,
    regions: Vec<(u32, u32)>,
    patches: Vec<(u32, Type, abi::Place)>,
}

impl<'a> Image<'a> {
    fn new(program: &'a mut Program) -> Self {
        Image {
            program,
            memory: Vec::new(),
            regions: Vec::new(),
            patches: Vec::new(),
        }
    }

    fn reserve(&mut self, size: u32, align: u32) -> u32 {
        let address = self.program.reserve(size, align);
        let end = address.saturating_add(size) as usize;
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        self.regions.push((address, size));
        address
    }

    /// Writes what was lowered; gives the holes that are left in it.
    fn finish(self) -> Vec<(u32, Type, abi::Place)> {
        for (address, size) in self.regions {
            if let Some(bytes) = self
                .memory
                .get(address as usize..(address as usize + size as usize))
            {
                self.program.write(address, bytes);
            }
        }
        self.patches
    }
}

impl abi::Context for Image<'_> {
    fn memory(&self) -> &[u8] {
        &self.memory
    }

    fn encoding(&self) -> abi::StringEncoding {
        abi::StringEncoding::Utf8
    }
}

impl abi::Lower for Image<'_> {
    fn memory_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    fn realloc(
        &mut self,
        _old: u32,
        _old_size: u32,
        align: u32,
        size: u32,
    ) -> Result<u32, abi::TrapKind> {
        Ok(self.reserve(size, align))
    }

    fn lower_own(
        &mut self,
        _resource: &abi::ResourceId,
        handle: abi::Handle,
    ) -> Result<u32, abi::TrapKind> {
        Ok(handle.0)
    }

    fn lower_borrow(
        &mut self,
        _resource: &abi::ResourceId,
        handle: abi::Handle,
    ) -> Result<u32, abi::TrapKind> {
        Ok(handle.0)
    }

    fn opaque(
        &mut self,
        id: u32,
        ty: &Type,
        place: abi::Place,
    ) -> Result<Vec<u64>, abi::ValueFault> {
        self.patches.push((id, ty.clone(), place));
        Ok(vec![0; flatten(ty).len()])
    }
}
