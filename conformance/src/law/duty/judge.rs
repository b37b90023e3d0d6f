//! What of a plan's values breaks which duty. A mistake of a host is held against the duty it breaks and no other: rows of a
//! partial that was merged twice are no rows that were updated twice, and a state that can't be read lost no row.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    Duty,
    perform::{Expected, Seen},
    step::{Root, Row, Steps},
    trace::{self, State, What, hex},
};

/// The state of `raw` before any row.
const RAW_NEW: [u8; 3] = [0, 0xff, 0];

/// What breaks a duty, in words; `None` as the duty for what breaks all of them.
pub(super) type Finding = (Option<Duty>, String);

/// Judges what was seen of these steps, rows being numbered from `base + 1` on.
pub(super) fn findings(steps: &Steps, seen: &Seen, base: i64) -> Vec<Finding> {
    if let Some(refused) = &seen.refused {
        return vec![(None, refused.clone())];
    }
    let mut judge = Judge {
        steps,
        seen,
        base,
        homes: BTreeMap::new(),
        found: BTreeSet::new(),
        unread: false,
        findings: Vec::new(),
    };
    for (root, expected) in seen.roots.iter().enumerate() {
        judge
            .homes
            .extend(expected.rows.iter().map(|row| (*row, root)));
    }
    judge.looks();
    judge.raw();
    let mut merged = vec![None; seen.roots.len()];
    for (root, value) in seen.values.iter().enumerate() {
        let name = &seen.roots[root].name;
        match value {
            // Whether there is a group without rows is the host's to say.
            None if seen.roots[root].rows.is_empty() => {}
            None => judge.add(Duty::EachRowOnce, format!("{name} has no value")),
            Some(_) if steps.roots[root].is_raw() => {}
            Some(value) => merged[root] = judge.value(root, value),
        }
    }
    for (root, merged) in merged.into_iter().enumerate() {
        if let Some(merged) = merged {
            judge.missing(&seen.roots[root], merged);
        }
    }
    judge.findings
}

struct Judge<'a> {
    steps: &'a Steps,
    seen: &'a Seen,
    base: i64,
    homes: BTreeMap<Row, Root>,
    /// Rows that are in some value.
    found: BTreeSet<Row>,
    /// Whether a value could not be read: what is missing may be in there.
    unread: bool,
    findings: Vec<Finding>,
}

/// What one value holds.
#[derive(Default)]
struct Count {
    /// How often each row of its own.
    rows: BTreeMap<Row, u32>,
    /// States that were merged.
    merged: usize,
    /// Merged states with rows.
    partials: HashSet<Vec<u8>>,
    /// Whether the number of merged states says nothing any more: one is told of already, or strangers are among them.
    spoiled: bool,
}

impl Judge<'_> {
    fn add(&mut self, duty: Duty, text: String) {
        self.findings.push((Some(duty), text));
    }

    /// What evaluating did.
    fn looks(&mut self) {
        for look in &self.seen.looks {
            let name = self.steps.name(look.accumulator);
            if look.before != look.after {
                let (before, after) = (hex(&look.before), hex(&look.after));
                let text = format!("the state of {name} is {before}, after evaluating it {after}");
                self.add(Duty::EvaluatePure, text);
            } else if look.value != look.again {
                let (value, again) = (hex(&look.value), hex(&look.again));
                let text = format!("the value of {name} is {value}, asked for again it is {again}");
                self.add(Duty::EvaluatePure, text);
            } else if look.value != look.before {
                let (state, value) = (hex(&look.before), hex(&look.value));
                let text =
                    format!("the state of {name} is {state}, but `agg-evaluate` got {value}");
                self.add(Duty::StatesVerbatim, text);
            }
        }
    }

    /// States of `raw` are the bytes that it began with or those of a row, whatever else went wrong.
    fn raw(&mut self) {
        let steps = self.steps;
        let known: HashSet<Vec<u8>> = steps
            .payloads
            .iter()
            .map(|payload| payload.bytes().unwrap_or_default())
            .chain([RAW_NEW.to_vec()])
            .collect();
        let of = |accumulator: usize| steps.accumulators[accumulator].0.is_raw();
        let taken = self.seen.states.iter().filter(|(of_it, _)| of(*of_it));
        let taken =
            taken.map(|(of_it, state)| (format!("the state of {}", steps.name(*of_it)), state));
        let roots = self
            .seen
            .values
            .iter()
            .zip(&self.seen.roots)
            .zip(&steps.roots);
        let values = roots.filter(|(_, aggregate)| aggregate.is_raw());
        let values = values.filter_map(|((value, expected), _)| {
            Some((format!("the value of {}", expected.name), value.as_ref()?))
        });
        let strange: Vec<_> = taken
            .chain(values)
            .filter(|(_, bytes)| !known.contains(*bytes))
            .map(|(what, bytes)| {
                let bytes = hex(bytes);
                format!("{what} is {bytes}, which is neither 00 ff 00 as it began nor the bytes of a row")
            })
            .collect();
        for text in strange {
            self.add(Duty::StatesVerbatim, text);
        }
    }

    /// Judges a value that can be read, and gives how many states were merged in it.
    fn value(&mut self, root: Root, value: &[u8]) -> Option<usize> {
        let name = &self.seen.roots[root].name;
        let state = match trace::read(value) {
            Ok(state) => state,
            Err(problem) => {
                self.unread = true;
                self.add(
                    Duty::StatesVerbatim,
                    format!("the value of {name}: {problem}"),
                );
                return None;
            }
        };
        let mut count = Count::default();
        self.state(root, &state, &mut count);
        for (row, times) in &count.rows {
            if *times > 1 {
                self.add(
                    Duty::EachRowOnce,
                    format!("row {row} is in the value of {name} {times} times"),
                );
            }
        }
        // Their number is only worth a word where nothing else is wrong, and those without rows only where it is known.
        Some(match (count.spoiled, self.seen.roots[root].exact) {
            (true, _) => usize::MAX,
            (_, true) => count.merged,
            (_, false) => count.partials.len(),
        })
    }

    fn state(&mut self, root: Root, state: &State, count: &mut Count) {
        let name = &self.seen.roots[root].name;
        let qname = self.steps.roots[root].qname();
        let news = state.operations.iter().enumerate();
        let news: Vec<usize> = news
            .filter(|(_, operation)| matches!(operation.what, What::New))
            .map(|(index, _)| index)
            .collect();
        match (&news[..], state.operations.len()) {
            ([0], _) => {}
            (_, 0) => self.add(
                Duty::RootedInNew,
                format!("a state in the value of {name} is empty, so it was not made by `agg-new`"),
            ),
            ([], _) => self.add(
                Duty::RootedInNew,
                format!("a state in the value of {name} does not begin with `agg-new`"),
            ),
            _ => self.add(
                Duty::RootedInNew,
                format!("a state in the value of {name} has `agg-new` in its middle"),
            ),
        }
        if let Some(other) = state.operations.iter().find(|one| one.qname != qname) {
            count.spoiled = true;
            self.add(
                Duty::NoCrossGroup,
                format!(
                    "in the value of {name}, of {qname}, is a call of {}",
                    other.qname
                ),
            );
        }
        let mut last = 0;
        for operation in &state.operations {
            match &operation.what {
                What::New => {}
                What::Update(rows) => {
                    for (number, payload) in rows {
                        self.row(root, *number, payload.as_ref(), &mut last, count);
                    }
                }
                What::Merge(states) => {
                    for partial in states {
                        count.merged += 1;
                        if has_rows(partial) && !count.partials.insert(partial.bytes.clone()) {
                            count.spoiled = true;
                            let rows = words(&rows_of(partial, self.base));
                            self.add(
                                Duty::EachPartialOnce,
                                format!(
                                    "the partial state with {rows} is merged into {name} twice"
                                ),
                            );
                            continue;
                        }
                        self.state(root, partial, count);
                    }
                }
            }
        }
    }

    fn row(
        &mut self,
        root: Root,
        number: Option<i64>,
        payload: Option<&Vec<u8>>,
        last: &mut Row,
        count: &mut Count,
    ) {
        let name = &self.seen.roots[root].name;
        let Some(row) = number.and_then(|number| Row::try_from(number - self.base).ok()) else {
            let text = match number {
                Some(_) => format!("in the value of {name} is a row of an earlier query"),
                None => format!("in the value of {name} is a row without a number"),
            };
            count.spoiled = true;
            return self.add(
                if number.is_some() {
                    Duty::NoCrossGroup
                } else {
                    Duty::EachRowOnce
                },
                text,
            );
        };
        match self.homes.get(&row) {
            Some(home) if *home == root => *count.rows.entry(row).or_default() += 1,
            Some(home) => {
                count.spoiled = true;
                let home = &self.seen.roots[*home].name;
                let text = format!("row {row} of {home} is in the value of {name}");
                self.add(Duty::NoCrossGroup, text);
                self.found.insert(row);
                return;
            }
            None => {
                let text = format!("in the value of {name} is a row that was never given");
                return self.add(Duty::EachRowOnce, text);
            }
        }
        self.found.insert(row);
        let given = self.steps.payloads.get(row as usize - 1);
        if given.and_then(|given| given.bytes()).as_ref() != payload {
            let came = payload.map_or("null".to_owned(), |bytes| hex(bytes));
            self.add(
                Duty::EachRowOnce,
                format!("row {row} came to the plugin with {came}"),
            );
        }
        if count.rows.get(&row).is_some_and(|times| *times > 1) {
            return;
        }
        if row < *last {
            let text = format!("row {row} comes behind row {last} in the value of {name}");
            self.add(Duty::OrderKept, text);
        }
        *last = row;
    }

    /// What is in no value at all. `merged` states are in the value of this root.
    fn missing(&mut self, expected: &Expected, merged: usize) {
        if self.unread {
            return;
        }
        let lost = |row: &Row| !self.found.contains(row);
        let rows: Vec<Row> = expected.rows.iter().copied().filter(lost).collect();
        let name = &expected.name;
        let fewer = merged < expected.partials.len();
        let (mut by_partial, mut texts) = (BTreeSet::new(), Vec::new());
        for partial in expected.partials.iter().filter(|_| fewer) {
            if !partial.is_empty() && partial.iter().all(lost) {
                by_partial.extend(partial.iter().copied());
                let rows = words(partial);
                texts.push(format!(
                    "the partial state with {rows} is not in the value of {name}"
                ));
            }
        }
        let single: Vec<Row> = rows
            .iter()
            .copied()
            .filter(|row| !by_partial.contains(row))
            .collect();
        let known = expected.exact && merged != usize::MAX;
        if texts.is_empty() && known && merged != expected.partials.len() {
            let should = were(expected.partials.len());
            let merged = states(merged);
            texts.push(format!("{merged} in the value of {name}, {should} merged"));
        }
        for text in texts {
            self.add(Duty::EachPartialOnce, text);
        }
        if !single.is_empty() {
            let rows = words(&single);
            let are = if single.len() > 1 { "are" } else { "is" };
            let text = format!("{rows} of {name} {are} in no value");
            self.add(Duty::EachRowOnce, text);
        }
    }
}

fn has_rows(state: &State) -> bool {
    state
        .operations
        .iter()
        .any(|operation| match &operation.what {
            What::New => false,
            What::Update(rows) => !rows.is_empty(),
            What::Merge(states) => states.iter().any(has_rows),
        })
}

fn rows_of(state: &State, base: i64) -> Vec<Row> {
    let rows = state
        .operations
        .iter()
        .flat_map(|operation| match &operation.what {
            What::New => Vec::new(),
            What::Update(rows) => rows
                .iter()
                .filter_map(|(number, _)| Row::try_from((*number)? - base).ok())
                .collect(),
            What::Merge(states) => states
                .iter()
                .flat_map(|state| rows_of(state, base))
                .collect(),
        });
    rows.collect()
}

fn states(count: usize) -> String {
    match count {
        1 => "1 partial state is".to_owned(),
        more => format!("{more} partial states are"),
    }
}

fn were(count: usize) -> String {
    match count {
        1 => "1 was".to_owned(),
        more => format!("{more} were"),
    }
}

fn words(rows: &[Row]) -> String {
    match rows {
        [one] => format!("row {one}"),
        more => {
            let more: Vec<_> = more.iter().map(Row::to_string).collect();
            format!("rows {}", more.join(", "))
        }
    }
}
