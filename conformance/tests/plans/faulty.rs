//! Hosts that are wrong on purpose: each makes one mistake that query engines make, around a host that makes none. Whole
//! aggregations are carried out by a small engine of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use conformance::{
    host::{
        Host, HostFault,
        protocol::{Hello, Message, Request},
    },
    law::duty::Duty,
};
use serde_json::{Value as Json, json};

/// What a host does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A batch of several rows loses its last one.
    DropsARow,
    /// The first row of a batch is updated once more.
    UpdatesTwice,
    /// The last partial state is merged once more.
    MergesTwice,
    /// Of several partial states the last is forgotten.
    DropsAPartial,
    /// A partition without rows has no bytes as its state.
    ForgetsNew,
    /// Trailing zeros of a partial state are cut off.
    TrimsZeros,
    /// What has no bytes but zeros is taken for empty.
    ZerosAreEmpty,
    /// The partial states of two groups are swapped.
    SwapsGroups,
    /// Two groups share an accumulator.
    SharesAccumulators,
    /// A query begins with the state that the one before it left.
    KeepsAState,
    /// Plugins are told apart by the last part of a name alone.
    ConfusesPlugins,
    /// A merge of nothing comes before every evaluation, and its state is kept.
    EvaluatesInPlace,
    /// A batch is read from its end.
    ReversesRows,
    /// None, but it does not carry out whole aggregations.
    HasNoPlans,
}

impl Mistake {
    /// Those that break something.
    pub(crate) const ALL: &[Self] = &[
        Self::DropsARow,
        Self::UpdatesTwice,
        Self::MergesTwice,
        Self::DropsAPartial,
        Self::ForgetsNew,
        Self::TrimsZeros,
        Self::ZerosAreEmpty,
        Self::SwapsGroups,
        Self::SharesAccumulators,
        Self::KeepsAState,
        Self::ConfusesPlugins,
        Self::EvaluatesInPlace,
        Self::ReversesRows,
    ];

    /// The duties that it breaks.
    pub(crate) fn breaks(self) -> &'static [Duty] {
        match self {
            Self::DropsARow | Self::UpdatesTwice => &[Duty::EachRowOnce],
            Self::MergesTwice | Self::DropsAPartial => &[Duty::EachPartialOnce],
            // To an aggregate that takes any bytes, no bytes are a state that nobody made.
            Self::ForgetsNew => &[Duty::RootedInNew, Duty::StatesVerbatim],
            Self::TrimsZeros | Self::ZerosAreEmpty => &[Duty::StatesVerbatim],
            Self::SwapsGroups
            | Self::SharesAccumulators
            | Self::KeepsAState
            | Self::ConfusesPlugins => &[Duty::NoCrossGroup],
            Self::EvaluatesInPlace => &[Duty::EvaluatePure],
            Self::ReversesRows => &[Duty::OrderKept],
            Self::HasNoPlans => &[],
        }
    }
}

/// A host with a mistake.
pub(crate) struct Faulty {
    inner: Box<dyn Host>,
    hello: Hello,
    mistake: Mistake,
    calls: u64,
    answers: VecDeque<Message>,
    /// Accumulators of queries that are over, by aggregate.
    left: BTreeMap<String, Vec<Json>>,
}

/// `Err` is the `failure` of the driver.
type Answer = Result<Json, Json>;

impl Faulty {
    pub(crate) fn new(inner: Box<dyn Host>, mistake: Mistake) -> Self {
        let mut hello = inner.hello().clone();
        if mistake == Mistake::HasNoPlans {
            let declared = hello.contracts.get_mut("uni").unwrap();
            declared.capabilities.retain(|name| name != "plans");
        }
        Self {
            inner,
            hello,
            mistake,
            calls: 0,
            answers: VecDeque::new(),
            left: BTreeMap::new(),
        }
    }

    fn serve(&mut self, function: &str, mut arguments: Vec<Json>) -> Json {
        let answer = match function {
            "aggregate" => {
                assert!(self.mistake != Mistake::HasNoPlans, "not declared");
                let plan = arguments.pop().unwrap();
                self.aggregate(arguments.pop().unwrap(), &plan)
            }
            "accumulator-new" => self.open(arguments.pop().unwrap()),
            "accumulator-update" => {
                let columns = arguments[1].take();
                self.update(&arguments[0], columns)
            }
            "accumulator-merge" => {
                let states = arguments[1].take();
                self.merge(&arguments[0], states)
            }
            "accumulator-merge-column" => {
                let states = arguments[1]["binary"].take();
                self.merge(&arguments[0], states)
            }
            "accumulator-evaluate" => self.evaluate(&arguments[0]),
            _ => return self.ask(function, arguments),
        };
        match answer {
            Ok(value) => json!({ "ok": value }),
            Err(failure) => json!({ "err": failure }),
        }
    }

    /// Asks the host that makes no mistakes.
    fn ask(&mut self, function: &str, arguments: Vec<Json>) -> Json {
        self.calls += 1;
        let call = self.calls;
        let request = Request::Call {
            id: call,
            function: function.to_owned(),
            arguments,
        };
        self.inner.post(request).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.inner.next(deadline).unwrap().unwrap() {
                Message::Return { id, value } if id == call => return value,
                Message::Event { .. } => {}
                other => panic!("{function}: {other:?}"),
            }
        }
    }

    fn attempt(&mut self, function: &str, arguments: Vec<Json>) -> Answer {
        let mut answer = self.ask(function, arguments);
        match answer.get("err") {
            Some(failure) => Err(failure.clone()),
            None => Ok(answer["ok"].take()),
        }
    }

    fn open(&mut self, qname: Json) -> Answer {
        let qname = match (self.mistake, qname.as_str()) {
            (Mistake::ConfusesPlugins, Some(name)) => name.replace("c.d", "a.b").into(),
            _ => qname,
        };
        self.attempt("accumulator-new", vec![qname])
    }

    fn update(&mut self, accumulator: &Json, columns: Json) -> Answer {
        let mut rows = transposed(&columns);
        let again = rows.first().cloned();
        match self.mistake {
            Mistake::DropsARow if rows.len() > 1 => drop(rows.pop()),
            Mistake::ReversesRows => rows.reverse(),
            Mistake::UpdatesTwice => rows.extend(again),
            _ => {}
        }
        let arguments = vec![accumulator.clone(), columns_of(&rows), rows.len().into()];
        self.attempt("accumulator-update", arguments)
    }

    fn merge(&mut self, accumulator: &Json, mut states: Json) -> Answer {
        let list = states.as_array_mut().unwrap();
        match self.mistake {
            Mistake::MergesTwice => list.extend(list.last().cloned()),
            Mistake::DropsAPartial if list.len() > 1 => drop(list.pop()),
            Mistake::TrimsZeros | Mistake::ZerosAreEmpty => {
                for state in list {
                    let mut bytes = STANDARD.decode(state["some"].as_str().unwrap()).unwrap();
                    let kept = bytes
                        .iter()
                        .rposition(|byte| *byte != 0)
                        .map_or(0, |at| at + 1);
                    if self.mistake == Mistake::TrimsZeros || kept == 0 {
                        bytes.truncate(kept);
                    }
                    *state = json!({ "some": STANDARD.encode(bytes) });
                }
            }
            _ => {}
        }
        self.attempt("accumulator-merge", vec![accumulator.clone(), states])
    }

    fn evaluate(&mut self, accumulator: &Json) -> Answer {
        if self.mistake == Mistake::EvaluatesInPlace {
            self.merge(accumulator, json!([]))?;
        }
        self.attempt("accumulator-evaluate", vec![accumulator.clone()])
    }

    /// One accumulator per partition and group, then one per group.
    fn aggregate(&mut self, qname: Json, plan: &Json) -> Answer {
        let number = |name: &str| plan[name].as_u64().unwrap() as usize;
        let (partitions, rows) = (number("partitions").max(1), transposed(&plan["arguments"]));
        let width = match number("batch-rows") {
            0 => rows.len().max(1),
            width => width,
        };
        let groups = plan["groups"].as_array().unwrap();
        let group_of = |row: usize| groups.get(row).map_or(0, |group| group.as_u64().unwrap());
        let numbered: Vec<(usize, Vec<Json>)> = rows.into_iter().enumerate().collect();
        let mut dealt = vec![BTreeMap::<u64, Vec<Vec<Vec<Json>>>>::new(); partitions];
        if groups.is_empty() {
            dealt
                .iter_mut()
                .for_each(|part| drop(part.insert(0, Vec::new())));
        }
        for (index, batch) in numbered.chunks(width).enumerate() {
            let mut by_group = BTreeMap::<u64, Vec<Vec<Json>>>::new();
            for (row, cells) in batch {
                by_group
                    .entry(group_of(*row))
                    .or_default()
                    .push(cells.clone());
            }
            for (group, rows) in by_group {
                dealt[index % partitions]
                    .entry(group)
                    .or_default()
                    .push(rows);
            }
        }
        let mut ends = BTreeMap::<u64, Vec<Json>>::new();
        for part in dealt {
            let mut open = BTreeMap::new();
            for (group, batches) in part {
                let shared = match self.mistake {
                    Mistake::SharesAccumulators => group & !1,
                    _ => group,
                };
                let accumulator = match open.get(&shared) {
                    Some(known) => Json::clone(known),
                    None => self.begin(&qname)?,
                };
                open.insert(shared, accumulator.clone());
                if batches.is_empty() && self.mistake == Mistake::ForgetsNew && partitions > 1 {
                    ends.entry(group).or_default().push(Json::Null);
                    continue;
                }
                for rows in batches {
                    self.update(&accumulator, columns_of(&rows))?;
                }
                ends.entry(group).or_default().push(accumulator);
            }
        }
        let lasts = if partitions > 1 {
            self.merge_all(&qname, plan, ends)?
        } else {
            ends.into_iter()
                .map(|(group, mut ends)| (group, ends.remove(0)))
                .collect()
        };
        let mut results = Vec::new();
        for (group, last) in lasts {
            let value = match self.evaluate(&last) {
                Ok(value) => json!({ "ok": value }),
                Err(failure) => json!({ "err": failure }),
            };
            results.push(json!({ "group": group, "value": value }));
            // What `raw` would keep are bytes that no row of the next plan has.
            let raw = qname.as_str().is_some_and(|name| name.ends_with("raw"));
            if self.mistake == Mistake::KeepsAState && !raw && plan["rows"] != 0 {
                let left = self.left.entry(qname.to_string()).or_default();
                left.push(last);
            }
        }
        Ok(results.into())
    }

    fn begin(&mut self, qname: &Json) -> Answer {
        let left = self.left.get_mut(&qname.to_string()).and_then(Vec::pop);
        left.map_or_else(|| self.open(qname.clone()), Ok)
    }

    fn merge_all(
        &mut self,
        qname: &Json,
        plan: &Json,
        ends: BTreeMap<u64, Vec<Json>>,
    ) -> Result<BTreeMap<u64, Json>, Json> {
        let mut partials = BTreeMap::new();
        for (group, ends) in ends {
            let mut states = Vec::new();
            for end in ends {
                states.push(match end {
                    Json::Null => json!({ "some": "" }),
                    end => json!({ "some": self.attempt("accumulator-state", vec![end])? }),
                });
            }
            if plan["reverse"] == true {
                states.reverse();
            }
            partials.insert(group, states);
        }
        let mut of_two = partials.keys().copied();
        if let (Mistake::SwapsGroups, Some(one), Some(other)) =
            (self.mistake, of_two.next(), of_two.next())
        {
            let (mine, theirs) = (partials[&one].clone(), partials[&other].clone());
            partials.insert(one, theirs);
            partials.insert(other, mine);
        }
        let mut lasts = BTreeMap::new();
        for (group, states) in partials {
            let last = self.open(qname.clone())?;
            let width = match plan["merge-width"].as_u64().unwrap() {
                0 => states.len(),
                width => width as usize,
            };
            for states in states.chunks(width.max(1)) {
                self.merge(&last, states.into())?;
            }
            lasts.insert(group, last);
        }
        Ok(lasts)
    }
}

impl Host for Faulty {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn post(&mut self, request: Request) -> Result<(), HostFault> {
        match request {
            Request::Call {
                id,
                function,
                arguments,
            } => {
                let value = self.serve(&function, arguments);
                self.answers.push_back(Message::Return { id, value });
                Ok(())
            }
            other => {
                if matches!(other, Request::Begin(_)) {
                    self.left.clear();
                }
                self.inner.post(other)
            }
        }
    }

    fn next(&mut self, deadline: Instant) -> Result<Option<Message>, HostFault> {
        match self.answers.pop_front() {
            Some(answer) => Ok(Some(answer)),
            None => self.inner.next(deadline),
        }
    }
}

/// The rows of the columns `[{"int64": […]}, {"binary": […]}]`.
fn transposed(columns: &Json) -> Vec<Vec<Json>> {
    let numbers = columns[0]["int64"].as_array().unwrap();
    let payloads = columns[1]["binary"].as_array().unwrap();
    let rows = numbers.iter().zip(payloads);
    rows.map(|(number, payload)| vec![number.clone(), payload.clone()])
        .collect()
}

fn columns_of(rows: &[Vec<Json>]) -> Json {
    let column = |index: usize| rows.iter().map(|row| row[index].clone()).collect::<Json>();
    json!([{ "int64": column(0) }, { "binary": column(1) }])
}
