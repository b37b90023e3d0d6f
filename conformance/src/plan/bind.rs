//! Bindings inside patterns: where the bound part of a result lies, and the checks before it is read.

use fixtures::{
    abi::{self, Type, flatten},
    puppet::{Arith, Op, Operand},
};

use super::{
    PlanError,
    handler::{Compiler, Place},
    value::discriminant_width,
};
use crate::case::model::{Outcome, Pattern, PatternKind};

impl Compiler<'_> {
    /// Binds what an outcome binds; a value of another shape ends the guest at once.
    pub(super) fn bind_outcomes(
        &mut self,
        outcomes: &[(Option<String>, Outcome)],
        place: Option<&Place>,
    ) -> Result<(), PlanError> {
        let binding: Vec<&Pattern> = outcomes
            .iter()
            .filter_map(|(_, outcome)| match outcome {
                Outcome::Value(pattern) if binds(pattern) => Some(pattern),
                _ => None,
            })
            .collect();
        match (binding.as_slice(), place) {
            ([], _) => Ok(()),
            ([pattern], Some(place)) => self.bind(pattern, place),
            ([first, ..], _) => Err(PlanError::new(
                first.span,
                "only one of the named outcomes may bind",
            )),
        }
    }

    fn bind(&mut self, pattern: &Pattern, place: &Place) -> Result<(), PlanError> {
        if !binds(pattern) {
            return Ok(());
        }
        let ty = &pattern.ty;
        match &pattern.kind {
            PatternKind::Bind(name) => {
                self.scope
                    .vars
                    .insert(name.clone(), (place.clone(), ty.clone()));
                Ok(())
            }
            PatternKind::And(parts) => parts.iter().try_for_each(|part| self.bind(part, place)),
            PatternKind::Case(case, Some(payload)) => {
                let payload_place = self.case(ty, *case, payload, place)?;
                self.bind(payload, &payload_place)
            }
            PatternKind::Record(fields) => {
                let types: Vec<Type> = match ty {
                    Type::Record(declared) => {
                        declared.iter().map(|field| field.ty.clone()).collect()
                    }
                    _ => Vec::new(),
                };
                for (field, place) in fields.iter().zip(part_places(&types, place)) {
                    if let Some(field) = field {
                        self.bind(field, &place)?;
                    }
                }
                Ok(())
            }
            PatternKind::Tuple(parts) => {
                let types: Vec<Type> = parts.iter().map(|part| part.ty.clone()).collect();
                for (part, place) in parts.iter().zip(part_places(&types, place)) {
                    self.bind(part, &place)?;
                }
                Ok(())
            }
            PatternKind::List(parts) => self.list(parts, place, pattern),
            _ => Err(PlanError::new(
                pattern.span,
                "a guest can't bind inside this pattern; bind by shape",
            )),
        }
    }

    fn case(
        &mut self,
        ty: &Type,
        case: u32,
        payload: &Pattern,
        place: &Place,
    ) -> Result<Place, PlanError> {
        let discriminant = match place {
            Place::Words(words) => words.first().copied().unwrap_or(Operand::Imm(0)),
            Place::Memory { base, offset } => self.load(*base, *offset, discriminant_width(ty)),
        };
        let equal = self.program.slot();
        self.program.push(Op::Arith {
            op: Arith::Eq,
            dst: equal,
            a: discriminant,
            b: Operand::Imm(u64::from(case)),
        });
        let bail = self.bail();
        self.unless(equal, bail);
        Ok(match place {
            Place::Memory { base, offset } => Place::Memory {
                base: *base,
                offset: offset + abi::payload_offset(ty).unwrap_or_default(),
            },
            Place::Words(words) => {
                let flat = flatten(&payload.ty);
                if flatten(ty).get(1..=flat.len()) != Some(&flat[..]) {
                    return Err(PlanError::new(
                        payload.span,
                        "this payload shares its words with another case's",
                    ));
                }
                Place::Words(words.iter().skip(1).take(flat.len()).copied().collect())
            }
        })
    }

    fn list(
        &mut self,
        parts: &[Pattern],
        place: &Place,
        pattern: &Pattern,
    ) -> Result<(), PlanError> {
        let words = self.words(place, &pattern.ty, pattern.span)?;
        let (Some(&base), Some(&len)) = (words.first(), words.get(1)) else {
            return Ok(());
        };
        let equal = self.program.slot();
        let expected = Operand::Imm(parts.len() as u64);
        self.program.push(Op::Arith {
            op: Arith::Eq,
            dst: equal,
            a: len,
            b: expected,
        });
        let bail = self.bail();
        self.unless(equal, bail);
        let mut offset = 0;
        for part in parts {
            self.bind(part, &Place::Memory { base, offset })?;
            offset += abi::size(&part.ty);
        }
        Ok(())
    }

    pub(super) fn bail(&mut self) -> fixtures::puppet::Label {
        *self.scope.bail.get_or_insert_with(|| self.program.label())
    }
}

/// Whether matching the pattern binds a name.
pub(crate) fn binds(pattern: &Pattern) -> bool {
    match &pattern.kind {
        PatternKind::Bind(_) => true,
        PatternKind::Case(_, Some(payload)) => binds(payload),
        PatternKind::Record(fields) => fields.iter().flatten().any(binds),
        PatternKind::Tuple(parts)
        | PatternKind::List(parts)
        | PatternKind::And(parts)
        | PatternKind::OneOf(parts)
        | PatternKind::Unordered(parts) => parts.iter().any(binds),
        PatternKind::Contains(part, _) | PatternKind::Each(part) | PatternKind::Not(part) => {
            binds(part)
        }
        _ => false,
    }
}

/// Where the fields of a record or the parts of a tuple at this place lie.
pub(super) fn part_places(types: &[Type], place: &Place) -> Vec<Place> {
    match place {
        Place::Memory { base, offset } => abi::field_offsets(types)
            .into_iter()
            .map(|at| Place::Memory {
                base: *base,
                offset: offset + at,
            })
            .collect(),
        Place::Words(words) => {
            let mut rest = words.iter().copied();
            types
                .iter()
                .map(|ty| Place::Words(rest.by_ref().take(flatten(ty).len()).collect()))
                .collect()
        }
    }
}
