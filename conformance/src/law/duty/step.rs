//! A plan as steps in a row, with everything numbered, and in plain words.

use std::{
    collections::VecDeque,
    fmt::{self, Display, Formatter},
};

use super::plan::{Aggregate, Life, Move, Payload, Plan, Query, Work};

/// A row as a plan counts them, from 1.
pub(super) type Row = u32;

/// A whole plan, step by step.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    /// The payload of row `index + 1`.
    pub(super) payloads: Vec<Payload>,
    /// The aggregate and the root of every accumulator.
    pub(super) accumulators: Vec<(Aggregate, Root)>,
    /// What every root computes.
    pub(super) roots: Vec<Aggregate>,
}

/// Something that has a value in the end: a group of a query. Counts from 0 over the plan; the groups of a query that the host
/// carries out alone are in [`Step::Whole`].
pub(super) type Root = usize;

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Open {
        accumulator: usize,
    },
    Feed {
        accumulator: usize,
        rows: Vec<Row>,
    },
    Merge {
        accumulator: usize,
        partials: Vec<usize>,
        column: bool,
        spill: bool,
    },
    Evaluate {
        accumulator: usize,
        last: bool,
    },
    Whole {
        aggregate: Aggregate,
        /// Row and group.
        rows: Vec<(Row, u32)>,
        /// Group and root, ascending.
        groups: Vec<(u32, Root)>,
        grouped: bool,
        batch_rows: u32,
        partitions: u32,
        reverse: bool,
        merge_width: u32,
    },
}

/// What is still to be done for one root.
enum Draft {
    Open(usize),
    Feed(usize, Vec<Payload>),
    Merge(usize, Vec<usize>, bool, bool),
    Evaluate(usize, bool),
    Whole(Query),
}

impl Steps {
    /// All steps of a plan, in the order that its turns give.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut all = Self::default();
        let mut drafts = Vec::new();
        for query in &plan.queries {
            match &query.work {
                Work::Accumulators(lives) => {
                    for life in lives {
                        let mut draft = VecDeque::new();
                        let root = all.root(query.aggregate);
                        let accumulator = all.open(query.aggregate, root, &mut draft);
                        let last = all.life(life, accumulator, &mut draft);
                        draft.push_back(Draft::Evaluate(last, true));
                        drafts.push(draft);
                    }
                }
                Work::Whole { .. } => drafts.push([Draft::Whole(query.clone())].into()),
            }
        }
        let mut turns = plan.turns.iter();
        while !drafts.is_empty() {
            let turn = turns.next().copied().unwrap_or(0);
            let at = usize::from(turn) % drafts.len();
            match drafts[at].pop_front() {
                Some(draft) => all.push(draft),
                None => drop(drafts.remove(at)),
            }
        }
        all
    }

    fn root(&mut self, aggregate: Aggregate) -> Root {
        self.roots.push(aggregate);
        self.roots.len() - 1
    }

    fn open(&mut self, aggregate: Aggregate, root: Root, draft: &mut VecDeque<Draft>) -> usize {
        self.accumulators.push((aggregate, root));
        let accumulator = self.accumulators.len() - 1;
        draft.push_back(Draft::Open(accumulator));
        accumulator
    }

    /// Gives the accumulator that goes on in the end.
    fn life(&mut self, life: &Life, mut accumulator: usize, draft: &mut VecDeque<Draft>) -> usize {
        let (aggregate, root) = self.accumulators[accumulator];
        for one in &life.0 {
            match one {
                Move::Feed(payloads) => draft.push_back(Draft::Feed(accumulator, payloads.clone())),
                Move::Evaluate => draft.push_back(Draft::Evaluate(accumulator, false)),
                Move::Spill => {
                    let next = self.open(aggregate, root, draft);
                    draft.push_back(Draft::Merge(next, vec![accumulator], false, true));
                    accumulator = next;
                }
                Move::Merge { partials, column } => {
                    let (mut lives, mut merged) = (Vec::new(), Vec::new());
                    for partial in partials {
                        let mut steps = VecDeque::new();
                        let opened = self.open(aggregate, root, &mut steps);
                        merged.push(self.life(partial, opened, &mut steps));
                        lives.push(steps);
                    }
                    // Partitions of one query run side by side.
                    while lives.iter().any(|steps| !steps.is_empty()) {
                        draft.extend(lives.iter_mut().filter_map(VecDeque::pop_front));
                    }
                    draft.push_back(Draft::Merge(accumulator, merged, *column, false));
                }
            }
        }
        accumulator
    }

    fn push(&mut self, draft: Draft) {
        let step = match draft {
            Draft::Open(accumulator) => Step::Open { accumulator },
            Draft::Feed(accumulator, payloads) => Step::Feed {
                accumulator,
                rows: payloads
                    .into_iter()
                    .map(|payload| self.row(payload))
                    .collect(),
            },
            Draft::Merge(accumulator, partials, column, spill) => Step::Merge {
                accumulator,
                partials,
                column,
                spill,
            },
            Draft::Evaluate(accumulator, last) => Step::Evaluate { accumulator, last },
            Draft::Whole(query) => return self.whole(query),
        };
        self.steps.push(step);
    }

    fn whole(&mut self, query: Query) {
        let Work::Whole {
            rows,
            grouped,
            batch_rows,
            partitions,
            reverse,
            merge_width,
        } = query.work
        else {
            return;
        };
        // A list of no groups means that there are none.
        let grouped = grouped && !rows.is_empty();
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(group, payload)| (self.row(payload), if grouped { group } else { 0 }))
            .collect();
        let mut groups: Vec<u32> = rows.iter().map(|(_, group)| *group).collect();
        groups.push(0);
        if grouped {
            groups.pop();
        }
        groups.sort_unstable();
        groups.dedup();
        let groups = groups
            .into_iter()
            .map(|group| (group, self.root(query.aggregate)))
            .collect();
        self.steps.push(Step::Whole {
            aggregate: query.aggregate,
            rows,
            groups,
            grouped,
            batch_rows,
            partitions,
            reverse,
            merge_width,
        });
    }

    fn row(&mut self, payload: Payload) -> Row {
        self.payloads.push(payload);
        self.payloads.len() as Row
    }

    /// The name of an accumulator: a letter, and a number when letters have run out.
    pub(super) fn name(&self, accumulator: usize) -> String {
        // Named in the order of opening, which is not the order of drafting.
        let order = self.steps.iter().filter_map(|step| match step {
            Step::Open { accumulator } => Some(*accumulator),
            _ => None,
        });
        let index = order.take_while(|opened| *opened != accumulator).count();
        let letter = char::from(b'A' + (index % 26) as u8);
        match index / 26 {
            0 => letter.to_string(),
            more => format!("{letter}{more}"),
        }
    }

    fn rows(&self, rows: impl Iterator<Item = Row>) -> String {
        let words: Vec<String> = rows.map(|row| self.in_words(row)).collect();
        match &words[..] {
            [] => "no rows".to_owned(),
            [one] => format!("row {one}"),
            more => format!("rows {}", more.join(", ")),
        }
    }

    fn in_words(&self, row: Row) -> String {
        match self.payloads.get(row as usize - 1) {
            Some(Payload::Bytes(bytes)) if !bytes.is_empty() => {
                format!("{row} ({})", super::trace::hex(bytes))
            }
            Some(Payload::Null) => format!("{row} (null)"),
            Some(Payload::Large(first)) => format!("{row} (1 MiB from {first:02x} on)"),
            _ => row.to_string(),
        }
    }

    fn names(&self, accumulators: &[usize]) -> String {
        let names: Vec<_> = accumulators.iter().map(|one| self.name(*one)).collect();
        match &names[..] {
            [] => "no states".to_owned(),
            [one] => format!("the state of {one}"),
            more => format!("the states of {}", more.join(", ")),
        }
    }

    fn say(&self, step: &Step) -> String {
        match step {
            Step::Open { accumulator } => {
                let aggregate = self.accumulators[*accumulator].0;
                format!("open {} for {}", self.name(*accumulator), aggregate.qname())
            }
            Step::Feed { accumulator, rows } => {
                let rows = self.rows(rows.iter().copied());
                format!("update {} with {rows}", self.name(*accumulator))
            }
            Step::Merge {
                accumulator,
                partials,
                column,
                spill,
            } => {
                let (states, into) = (self.names(partials), self.name(*accumulator));
                match (spill, column) {
                    (true, _) => format!("spill: merge {states} into {into}, which goes on"),
                    (_, true) => format!("merge {states} into {into}, as a column"),
                    _ => format!("merge {states} into {into}"),
                }
            }
            Step::Evaluate { accumulator, .. } => format!("evaluate {}", self.name(*accumulator)),
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
                let mut text = format!("aggregate {} over ", aggregate.qname());
                if *grouped {
                    let of = |group: u32| {
                        let rows = rows.iter().filter(|(_, of)| *of == group);
                        let rows = self.rows(rows.map(|(row, _)| *row));
                        format!("{rows} of group {group}")
                    };
                    let groups: Vec<_> = groups.iter().map(|(group, _)| of(*group)).collect();
                    text += &groups.join("; ");
                } else {
                    text += &self.rows(rows.iter().map(|(row, _)| *row));
                }
                text += &match batch_rows {
                    0 => ", in one batch".to_owned(),
                    many => format!(", in batches of {many}"),
                };
                if *partitions > 1 {
                    text += &format!(", {partitions} partitions");
                    text += if *reverse {
                        ", the last merged first"
                    } else {
                        ""
                    };
                    text += &match merge_width {
                        0 => ", merged at once".to_owned(),
                        many => format!(", {many} a merge"),
                    };
                }
                text
            }
        }
    }
}

impl Display for Steps {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let width = self.steps.len().to_string().len();
        for (index, step) in self.steps.iter().enumerate() {
            let end = if index > 0 { "\n" } else { "" };
            write!(f, "{end}{:>width$}. {}", index + 1, self.say(step))?;
        }
        Ok(())
    }
}
