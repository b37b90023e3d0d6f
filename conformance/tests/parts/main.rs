//! The tests of the crate's parts, each from its public interface. One program for all of them, since every program of tests
//! carries the engine and the reference host.

mod case_files;
mod catalogue;
mod coverage;
mod envelope;
mod exit_codes;
mod host_json;
mod host_process;
mod host_reference;
mod judge_evaluate;
mod judge_pattern;
mod payload_ipc;
mod payload_json;
mod payload_schema;
mod payload_trace;
mod profiles;
mod quotations;
mod reports;
mod testbed_http;
mod testbed_mcp;
mod testbed_model;
mod testbed_steps;
mod testbed_surroundings;
mod testbed_websocket;
mod tree;
mod wit;
