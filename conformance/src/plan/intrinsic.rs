//! Compiles intrinsics: what a guest can do without an import.

use fixtures::puppet::{Arith, Label, Op, Operand, Slot, Width};

use super::{
    PlanError,
    handler::{Compiler, Place},
};
use crate::case::model::{Call, Expr, Span};

/// Bytes of a text that an instance can keep under one name.
pub(super) const KEPT_BYTES: u32 = 4 << 10;

/// Where an instance keeps a text over calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeper {
    address: u32,
    length: Slot,
}

impl Compiler<'_> {
    /// Where the result lies.
    pub(super) fn intrinsic(
        &mut self,
        call: &Call,
        span: Span,
    ) -> Result<Option<Place>, PlanError> {
        Ok(match call {
            Call::Function {
                function,
                arguments,
            } => self.call_import(function, arguments, span)?,
            Call::Grow(pages) => {
                let dst = self.program.slot();
                self.program.push(Op::Grow {
                    dst,
                    pages: Operand::Imm(u64::from(*pages)),
                });
                // An `s32` travels as a zero-extended word.
                self.arith(Arith::And, dst, dst, u64::from(u32::MAX));
                Some(Place::Words(vec![Operand::Slot(dst)]))
            }
            Call::Count => {
                let slot = self.program.slot();
                self.add(slot, Operand::Imm(1));
                Some(Place::Words(vec![Operand::Slot(slot)]))
            }
            Call::Keep { name, value } => {
                self.keep(name, value)?;
                None
            }
            Call::Kept(name) => {
                let Keeper { address, length } = self.keeper(name);
                // The keeper lies outside of the heap, which is all that a transcript carries.
                let copy = self.alloc(Operand::Slot(length), 1);
                self.program.push(Op::Copy {
                    dst: Operand::Slot(copy),
                    src: Operand::Imm(u64::from(address)),
                    len: Operand::Slot(length),
                });
                // Another `keep` may change the length before this text is read.
                let len = self.set(Operand::Slot(length));
                Some(Place::Words(vec![Operand::Slot(copy), Operand::Slot(len)]))
            }
            Call::JsonNumber { text, member } => Some(self.json_number(text, member)?),
            Call::JsonText { text, member } => Some(self.json_text(text, member)?),
        })
    }

    /// Copies a text to where no later call of an export overwrites it; a text that is too long traps.
    fn keep(&mut self, name: &str, value: &Expr) -> Result<(), PlanError> {
        let words = self.expr_words(value)?;
        let (Some(&src), Some(&len)) = (words.first(), words.get(1)) else {
            return Err(PlanError::new(value.span, "`keep` takes a text"));
        };
        let Keeper { address, length } = self.keeper(name);
        let fits = self.program.label();
        let size = self.set(len);
        self.when(Arith::LtU, size, u64::from(KEPT_BYTES) + 1, fits);
        self.program.push(Op::Trap);
        self.program.place(fits);
        self.program.push(Op::Copy {
            dst: Operand::Imm(u64::from(address)),
            src,
            len,
        });
        self.program.push(Op::Set {
            dst: length,
            src: len,
        });
        Ok(())
    }

    fn keeper(&mut self, name: &str) -> Keeper {
        if let Some(keeper) = self.keepers.get(name) {
            return *keeper;
        }
        let keeper = Keeper {
            address: self.program.reserve(KEPT_BYTES, 1),
            length: self.program.slot(),
        };
        self.keepers.insert(name.to_owned(), keeper);
        keeper
    }

    /// Finds `"member"` in a text, and the blanks and the colon behind it. Gives where the value starts and where the text
    /// ends; a text without the member ends the guest at once.
    fn json_member(&mut self, text: &Expr, member: &str) -> Result<(Slot, Slot), PlanError> {
        let words = self.expr_words(text)?;
        let (Some(&ptr), Some(&len)) = (words.first(), words.get(1)) else {
            return Err(PlanError::new(text.span, "a member is looked up in a text"));
        };
        let quoted = format!("\"{member}\"");
        let address = self.program.place_bytes(quoted.as_bytes(), 1);
        let length = quoted.len() as u64;
        let bail = self.bail();
        let at = self.set(ptr);
        let end = self.set(ptr);
        self.add(end, len);
        let (search, found, behind) = (
            self.program.label(),
            self.program.label(),
            self.program.label(),
        );

        self.program.place(search);
        let rest = self.program.slot();
        self.program.push(Op::Arith {
            op: Arith::Sub,
            dst: rest,
            a: Operand::Slot(end),
            b: Operand::Slot(at),
        });
        self.when(Arith::LtU, rest, length, bail);
        let equal = self.program.slot();
        self.program.push(Op::Equal {
            dst: equal,
            a: Operand::Slot(at),
            a_len: Operand::Imm(length),
            b: Operand::Imm(u64::from(address)),
            b_len: Operand::Imm(length),
        });
        self.program.push(Op::Branch {
            cond: Operand::Slot(equal),
            to: found,
        });
        self.add(at, Operand::Imm(1));
        self.program.push(Op::Jump { to: search });

        self.program.place(found);
        self.add(at, Operand::Imm(length));
        let next = self.program.label();
        self.program.push(Op::Jump { to: next });
        self.program.place(behind);
        self.add(at, Operand::Imm(1));
        self.program.place(next);
        let byte = self.byte(at, end, bail);
        for blank in b" :\n\r\t" {
            self.when(Arith::Eq, byte, u64::from(*blank), behind);
        }
        Ok((at, end))
    }

    /// The digits behind a member.
    fn json_number(&mut self, text: &Expr, member: &str) -> Result<Place, PlanError> {
        let (at, end) = self.json_member(text, member)?;
        let bail = self.bail();
        let (next, done) = (self.program.label(), self.program.label());
        let number = self.set(Operand::Imm(0));
        let first = self.byte(at, end, bail);
        // Wraps around below `0`.
        self.arith(Arith::Sub, first, first, u64::from(b'0'));
        self.when(Arith::GeU, first, 10, bail);
        self.program.place(next);
        let digit = self.byte(at, end, done);
        self.arith(Arith::Sub, digit, digit, u64::from(b'0'));
        self.when(Arith::GeU, digit, 10, done);
        self.arith(Arith::Mul, number, number, 10);
        self.add(number, Operand::Slot(digit));
        self.add(at, Operand::Imm(1));
        self.program.push(Op::Jump { to: next });
        self.program.place(done);
        self.arith(Arith::And, number, number, u64::from(u32::MAX));
        Ok(Place::Words(vec![Operand::Slot(number)]))
    }

    /// What stands between the quotes behind a member, as it is written.
    fn json_text(&mut self, text: &Expr, member: &str) -> Result<Place, PlanError> {
        let (at, end) = self.json_member(text, member)?;
        let bail = self.bail();
        let open = self.byte(at, end, bail);
        self.when(Arith::Ne, open, u64::from(b'"'), bail);
        self.add(at, Operand::Imm(1));
        let start = self.set(Operand::Slot(at));
        let (next, done) = (self.program.label(), self.program.label());
        self.program.place(next);
        let byte = self.byte(at, end, bail);
        self.when(Arith::Eq, byte, u64::from(b'"'), done);
        self.add(at, Operand::Imm(1));
        self.when(Arith::Ne, byte, u64::from(b'\\'), next);
        self.add(at, Operand::Imm(1));
        self.program.push(Op::Jump { to: next });
        self.program.place(done);
        let length = self.program.slot();
        self.program.push(Op::Arith {
            op: Arith::Sub,
            dst: length,
            a: Operand::Slot(at),
            b: Operand::Slot(start),
        });
        Ok(Place::Words(vec![
            Operand::Slot(start),
            Operand::Slot(length),
        ]))
    }

    /// The byte at an address; at the end of the text, jumps.
    fn byte(&mut self, at: Slot, end: Slot, otherwise: Label) -> Slot {
        let (more, byte) = (self.program.slot(), self.program.slot());
        self.program.push(Op::Arith {
            op: Arith::LtU,
            dst: more,
            a: Operand::Slot(at),
            b: Operand::Slot(end),
        });
        self.unless(more, otherwise);
        self.program.push(Op::Load {
            dst: byte,
            addr: Operand::Slot(at),
            offset: 0,
            width: Width::W8,
        });
        byte
    }

    /// Jumps when a comparison with a constant holds.
    fn when(&mut self, op: Arith, a: Slot, b: u64, to: Label) {
        let holds = self.program.slot();
        self.arith(op, holds, a, b);
        self.program.push(Op::Branch {
            cond: Operand::Slot(holds),
            to,
        });
    }

    fn set(&mut self, src: Operand) -> Slot {
        let dst = self.program.slot();
        self.program.push(Op::Set { dst, src });
        dst
    }

    fn arith(&mut self, op: Arith, dst: Slot, a: Slot, b: u64) {
        self.program.push(Op::Arith {
            op,
            dst,
            a: Operand::Slot(a),
            b: Operand::Imm(b),
        });
    }
}
