//! Carries out a plan at a host, and keeps what was seen. Nothing is judged here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{
    client::Caller,
    plan::Payload,
    step::{Root, Row, Step, Steps},
};
use crate::{host::json::bytes_to_json, law::Fault, law::plugin::fault};

/// What was seen of one plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// By root: what should be in its value.
    pub(super) roots: Vec<Expected>,
    /// By root: its value; `None` when the host gave none.
    pub(super) values: Vec<Option<Vec<u8>>>,
    /// Evaluations of accumulators.
    pub(super) looks: Vec<Look>,
    /// States taken out to be merged elsewhere: by whom, and what.
    pub(super) states: Vec<(usize, Vec<u8>)>,
    /// What the host did not do at all, in words.
    pub(super) refused: Option<String>,
}

/// What should be in a root's value.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    /// Its name, as in `A` or `group 1 of step 3`.
    pub(super) name: String,
    /// Its rows.
    pub(super) rows: Vec<Row>,
    /// The rows of every state that is merged on the way, those merged into it before included.
    pub(super) partials: Vec<Vec<Row>>,
    /// Whether it is known how many states are merged; otherwise there may be more, without rows.
    pub(super) exact: bool,
}

/// An evaluation, between two looks at the state.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) accumulator: usize,
    pub(super) before: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) again: Vec<u8>,
    pub(super) after: Vec<u8>,
}

/// Carries out these steps. Rows are numbered from `base + 1` on, so that those of other plans are known.
///
/// # Errors
/// [`Fault::Lost`] when the host is lost; what it refuses is in [`Seen::refused`].
pub(super) fn perform(caller: &mut dyn Caller, steps: &Steps, base: i64) -> Result<Seen, Fault> {
    let mut performance = Performance {
        caller,
        steps,
        base,
        at: 0,
        ids: vec![0; steps.accumulators.len()],
        made: vec![Expected::default(); steps.accumulators.len()],
        seen: Seen {
            roots: vec![Expected::default(); steps.roots.len()],
            values: vec![None; steps.roots.len()],
            ..Seen::default()
        },
    };
    for (index, step) in steps.steps.iter().enumerate() {
        performance.at = index + 1;
        match performance.step(step) {
            Ok(()) => {}
            Err(lost @ Fault::Lost(_)) => return Err(lost),
            Err(fault) => {
                performance.seen.refused = Some(format!("step {} gave {fault}", performance.at));
                break;
            }
        }
    }
    Ok(performance.seen)
}

struct Performance<'a> {
    caller: &'a mut dyn Caller,
    steps: &'a Steps,
    base: i64,
    /// The number of the step.
    at: usize,
    /// The host's id of each accumulator.
    ids: Vec<u32>,
    /// What each accumulator holds so far.
    made: Vec<Expected>,
    seen: Seen,
}

impl Performance<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Fault> {
        match step {
            Step::Open { accumulator } => {
                let qname = self.steps.accumulators[*accumulator].0.qname();
                let answer = self.attempt("accumulator-new", vec![qname.into()])?;
                let id = answer.as_u64().and_then(|id| u32::try_from(id).ok());
                self.ids[*accumulator] = id.ok_or_else(|| strange("accumulator-new", &answer))?;
                Ok(())
            }
            Step::Feed { accumulator, rows } => {
                self.made[*accumulator].rows.extend(rows);
                let columns = self.columns(rows.iter().copied());
                let arguments = vec![self.id(*accumulator), columns, rows.len().into()];
                self.attempt("accumulator-update", arguments).map(drop)
            }
            Step::Merge {
                accumulator,
                partials,
                column,
                ..
            } => self.merge(*accumulator, partials, *column),
            Step::Evaluate { accumulator, last } => {
                self.evaluate(*accumulator)?;
                if *last {
                    let root = self.steps.accumulators[*accumulator].1;
                    self.seen.roots[root] = Expected {
                        name: self.steps.name(*accumulator),
                        exact: true,
                        ..self.made[*accumulator].clone()
                    };
                    let look = self.seen.looks.last();
                    self.seen.values[root] = look.map(|look| look.value.clone());
                }
                Ok(())
            }
            Step::Whole {
                aggregate,
                rows,
                groups,
                grouped,
                batch_rows,
                partitions,
                reverse,
                merge_width,
            } => {
                self.expect(rows, groups, *batch_rows, *partitions);
                let of: Vec<u32> = rows.iter().map(|(_, group)| *group).collect();
                let plan = json!({
                    "arguments": self.columns(rows.iter().map(|(row, _)| *row)),
                    "rows": rows.len(),
                    "groups": if *grouped { of } else { Vec::new() },
                    "batch-rows": batch_rows,
                    "partitions": partitions,
                    "reverse": reverse,
                    "merge-width": merge_width,
                });
                let answer = self.attempt("aggregate", vec![aggregate.qname().into(), plan])?;
                self.results(&answer, groups)
            }
        }
    }

    fn merge(&mut self, into: usize, partials: &[usize], column: bool) -> Result<(), Fault> {
        let mut states = Vec::with_capacity(partials.len());
        for partial in partials {
            let state = self.state(*partial)?;
            states.push(json!({ "some": bytes_to_json(&state) }));
            self.seen.states.push((*partial, state));
            let made = std::mem::take(&mut self.made[*partial]);
            self.made[into].rows.extend(&made.rows);
            self.made[into].partials.push(made.rows);
            self.made[into].partials.extend(made.partials);
        }
        if column && self.caller.declares("merge-column") {
            let arguments = vec![self.id(into), json!({ "binary": states })];
            self.attempt("accumulator-merge-column", arguments)
        } else {
            self.attempt("accumulator-merge", vec![self.id(into), states.into()])
        }
        .map(drop)
    }

    fn evaluate(&mut self, accumulator: usize) -> Result<(), Fault> {
        let before = self.state(accumulator)?;
        let value = self.value(accumulator)?;
        let again = self.value(accumulator)?;
        let after = self.state(accumulator)?;
        self.seen.looks.push(Look {
            accumulator,
            before,
            value,
            again,
            after,
        });
        Ok(())
    }

    /// What should be in the groups of a query that the host carries out alone.
    fn expect(
        &mut self,
        rows: &[(Row, u32)],
        groups: &[(u32, Root)],
        batch_rows: u32,
        partitions: u32,
    ) {
        let width = match batch_rows {
            0 => rows.len().max(1),
            width => width as usize,
        };
        for (group, root) in groups {
            let mut expected = Expected {
                name: format!("group {group} of step {}", self.at),
                ..Expected::default()
            };
            let mut dealt = vec![Vec::new(); partitions.max(1) as usize];
            for (index, batch) in rows.chunks(width).enumerate() {
                let of_group = batch.iter().filter(|(_, of)| of == group);
                let at = index % dealt.len();
                dealt[at].extend(of_group.map(|(row, _)| *row));
            }
            expected.rows = dealt.iter().flatten().copied().collect();
            if partitions > 1 {
                expected.partials = dealt.into_iter().filter(|rows| !rows.is_empty()).collect();
            }
            self.seen.roots[*root] = expected;
        }
    }

    fn results(&mut self, answer: &Json, groups: &[(u32, Root)]) -> Result<(), Fault> {
        let results = answer
            .as_array()
            .ok_or_else(|| strange("aggregate", answer))?;
        for result in results {
            let group = result["group"].as_u64();
            let known = groups
                .iter()
                .find(|(known, _)| Some(u64::from(*known)) == group);
            let value = match (result["value"].get("ok"), result["value"].get("err")) {
                (Some(value), _) => bytes("aggregate", value)?,
                (_, Some(failure)) => return Err(fault(failure)),
                _ => return Err(strange("aggregate", result)),
            };
            match known {
                Some((_, root)) if self.seen.values[*root].is_none() => {
                    self.seen.values[*root] = Some(value);
                }
                _ => {
                    let problem = format!("`aggregate` answers for group {}", result["group"]);
                    let twice = known.map_or("which no row is of", |_| "twice");
                    self.seen.refused = Some(format!("{problem} {twice}"));
                }
            }
        }
        Ok(())
    }

    fn id(&self, accumulator: usize) -> Json {
        self.ids[accumulator].into()
    }

    fn state(&mut self, accumulator: usize) -> Result<Vec<u8>, Fault> {
        let answer = self.attempt("accumulator-state", vec![self.id(accumulator)])?;
        answer
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| strange("accumulator-state", &answer))
    }

    fn value(&mut self, accumulator: usize) -> Result<Vec<u8>, Fault> {
        let answer = self.attempt("accumulator-evaluate", vec![self.id(accumulator)])?;
        bytes("accumulator-evaluate", &answer)
    }

    fn columns(&self, rows: impl Iterator<Item = Row>) -> Json {
        let (mut numbers, mut payloads) = (Vec::new(), Vec::new());
        for row in rows {
            numbers.push(json!({ "some": self.base + i64::from(row) }));
            let payload = self.steps.payloads.get(row as usize - 1);
            payloads.push(match payload.and_then(Payload::bytes) {
                Some(bytes) => json!({ "some": bytes_to_json(&bytes) }),
                None => Json::Null,
            });
        }
        json!([{ "int64": numbers }, { "binary": payloads }])
    }

    fn attempt(&mut self, function: &str, arguments: Vec<Json>) -> Result<Json, Fault> {
        match self.caller.call(function, arguments)? {
            Json::Object(mut members) => match (members.remove("ok"), members.remove("err")) {
                (Some(value), None) => Ok(value),
                (None, Some(failure)) => Err(fault(&failure)),
                _ => Err(Fault::Lost(format!("`{function}` answered no result"))),
            },
            other => Err(strange(function, &other)),
        }
    }
}

/// The one value of a column of bytes.
fn bytes(function: &str, column: &Json) -> Result<Vec<u8>, Fault> {
    let value = column.get("binary").and_then(|values| match values {
        Json::Array(values) if values.len() == 1 => values[0].get("some")?.as_str(),
        _ => None,
    });
    value
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or_else(|| Fault::Host {
            kind: "answer".to_owned(),
            message: format!("`{function}` gave no Binary value, which the plugin had given"),
        })
}

fn strange(function: &str, answer: &Json) -> Fault {
    let answer: String = answer.to_string().chars().take(200).collect();
    Fault::Lost(format!("`{function}` answered {answer}"))
}
