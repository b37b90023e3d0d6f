//! Case files, runner, judge and reports: tells whether a host honours a WIT world.
//!
//! The way of a case: [`case`] reads it and checks it against a [`contract`], [`plan`] makes guests of it, [`run`] drives a
//! [`host`] through it, [`judge`] compares what was seen with what the case expects, [`report`] tells.

pub mod case;
pub mod cli;
pub mod contract;
pub mod coverage;
pub mod envelope;
pub mod exit;
pub mod host;
pub mod judge;
pub mod payload;
pub mod plan;
pub mod report;
pub mod run;
pub mod suite;
pub mod testbed;
