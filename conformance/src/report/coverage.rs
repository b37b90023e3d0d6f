//! The coverage matrix: aligned text for a terminal, a Markdown table, JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::coverage::{Cell, Covered, Kind, Matrix};

/// A matrix as text. A cell is the number of cases and, behind a slash, of those that every host must pass.
pub fn text(matrix: &Matrix, title: &str) -> String {
    let rows = rows(matrix);
    let widths: Vec<usize> = (0..Kind::ALL.len() + 1)
        .map(|column| {
            let lengths = rows.iter().filter_map(|row| row.get(column));
            lengths.map(String::len).max().unwrap_or_default()
        })
        .collect();
    let mut out = format!("{}: {title}\n", matrix.contract);
    for row in rows {
        let mut cells = row.iter().zip(&widths);
        if let Some((name, width)) = cells.next() {
            let _ = write!(out, "  {name:<width$}");
        }
        for (cell, width) in cells {
            let _ = write!(out, "  {cell:>width$}");
        }
        out.push('\n');
    }
    out
}

/// A matrix as a section of a page.
pub fn markdown(matrix: &Matrix, title: &str) -> String {
    let mut out = format!("## {}: {title}\n\n", matrix.contract);
    for (index, row) in rows(matrix).iter().enumerate() {
        let _ = writeln!(out, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(out, "|---{}|", "|--:".repeat(Kind::ALL.len()));
        }
    }
    out
}

fn rows(matrix: &Matrix) -> Vec<Vec<String>> {
    let mut head = vec!["function".to_owned()];
    head.extend(Kind::ALL.map(|kind| kind.name().to_owned()));
    let row = |covered: &Covered| {
        let mut row = vec![covered.function.name.clone()];
        row.extend(covered.cells.iter().map(|cell| match cell {
            Cell { cases: 0, .. } => "-".to_owned(),
            Cell { cases, must } => format!("{cases}/{must}"),
        }));
        row
    };
    let mut rows = vec![head];
    rows.extend(matrix.rows.iter().map(row));
    rows
}

/// A matrix for programs.
pub fn json(matrix: &Matrix, title: &str) -> Json {
    let functions = matrix.rows.iter().map(|covered| {
        let cells = Kind::ALL.map(|kind| {
            let Cell { cases, must } = covered.cell(kind);
            (
                kind.name().to_owned(),
                json!({"cases": cases, "must": must}),
            )
        });
        json!({
            "function": covered.function.name,
            "direction": covered.function.direction.name(),
            "worlds": covered.function.worlds,
            "can-fail": covered.function.can_fail,
            "cells": cells.into_iter().collect::<Map<_, _>>(),
        })
    });
    json!({
        "contract": matrix.contract,
        "title": title,
        "functions": functions.collect::<Vec<_>>(),
    })
}
