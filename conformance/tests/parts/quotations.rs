//! What a case quotes stands in the WIT of its contract, in the interface of its driver, or in `words.txt` beside the cases, where
//! words are listed that come from elsewhere.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{collections::BTreeMap, io::ErrorKind};

use conformance::{
    contract::{Contract, Files},
    coverage::Catalogue,
    suite::Suite,
};

/// Words with one blank between them, with the marks of comments and without.
fn plain(text: &str) -> String {
    let blanks = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut bare = String::new();
    for line in text.lines() {
        match line.split_once("//") {
            Some((code, comment)) => {
                bare.push_str(code);
                bare.push_str(comment.trim_start_matches('/'));
            }
            None => bare.push_str(line),
        }
        bare.push('\n');
    }
    format!("{} {}", blanks(text), blanks(&bare))
}

fn words(files: &Files, contract: &Contract) -> String {
    let mut text = String::new();
    for path in files.list(&format!("wit/{}", contract.wit), "wit").unwrap() {
        text.push_str(&plain(&files.text(&path).unwrap()));
    }
    let driver = format!("wit/driver/{}.wit", contract.driver.interface);
    text.push_str(&plain(&files.text(&driver).unwrap()));
    match files.text(&format!("conformance/cases/{}/words.txt", contract.name)) {
        Ok(words) => text.push_str(&plain(&words)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
    }
    text
}

#[test]
fn what_cases_quote_is_there() {
    let files = Files::embedded();
    let suite = Suite::load(&files).unwrap_or_else(|error| panic!("{error}"));
    let mut texts = BTreeMap::new();
    for (name, (contract, _)) in &suite.contracts {
        // A contract without a catalogue is still being written.
        let catalogue = Catalogue::load(&files, contract).unwrap_or_else(|error| panic!("{error}"));
        if !catalogue.rows.is_empty() {
            texts.insert(name.as_str(), words(&files, contract));
        }
    }
    assert!(texts.len() >= 2, "the contracts are not found");
    let mut wrong = Vec::new();
    for case in &suite.cases {
        for quote in &case.quotes {
            let quote = quote.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = texts.get(case.contract.as_str());
            if text.is_some_and(|text| !text.contains(&quote)) {
                wrong.push(format!("{}: {quote}", case.id));
            }
        }
    }
    let wrong = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{wrong}\nquote the WIT, or say in words.txt where the words come from"
    );
}
