//! A plugin as people write them: a tool that adds, one that fetches, and an ingress that counts.

wit_bindgen::generate!({
    path: "../../../../wit/yoi",
    world: "instance",
    generate_all,
});

use std::cell::Cell;

use yoi::host::request::request;

struct Instance;

export!(Instance);

thread_local! {
    static EVENTS: Cell<u32> = const { Cell::new(0) };
}

impl Guest for Instance {
    fn start(config_json: String) -> String {
        format!(r#"{{"state": "ready", "data": {config_json}}}"#)
    }

    fn handle_tool(name: String, input_json: String) -> String {
        match name.as_str() {
            // The input is a list of whole numbers.
            "tool" => {
                let digits = input_json.trim().trim_matches(['[', ']']);
                let sum: i64 = digits
                    .split(',')
                    .filter_map(|n| n.trim().parse::<i64>().ok())
                    .sum();
                format!(r#"{{"summary": "added", "content": "{sum}"}}"#)
            }
            // The input is a URL.
            "other" => {
                let answer = request(&format!(r#"{{"method": "GET", "url": {input_json}}}"#));
                let failed = answer.contains(r#""error""#);
                format!(
                    r#"{{"summary": "{}"}}"#,
                    if failed { "refused" } else { "fetched" }
                )
            }
            _ => r#"{"summary": "unknown tool"}"#.to_owned(),
        }
    }

    fn handle_ingress(_name: String, _event_json: String) -> String {
        EVENTS.set(EVENTS.get() + 1);
        r#"{"accepted": true}"#.to_owned()
    }

    fn status() -> String {
        format!(
            r#"{{"state": "running", "data": {{"events": {}}}}}"#,
            EVENTS.get()
        )
    }

    fn stop() -> String {
        format!(
            r#"{{"state": "stopped", "data": {{"events": {}}}}}"#,
            EVENTS.get()
        )
    }
}
