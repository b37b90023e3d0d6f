//! An inferlet as people write them: it tells its client what it was started with, keeps a counter in the store, asks a model,
//! and then answers its client until that says `bye`.

wit_bindgen::generate!({
    path: "../../../../wit/pie",
    world: "inferlet",
    generate_all,
});

use pie::inferlet::core::{self, Priority};

struct Inferlet;

export!(Inferlet);

impl exports::pie::inferlet::run::Guest for Inferlet {
    fn run() -> Result<(), String> {
        core::send(&format!("arguments: {}", core::get_arguments().join(" ")));

        let runs = core::store_get("runs").unwrap_or_default() + "x";
        core::store_set("runs", &runs);
        core::send(&format!(
            "runs: {}",
            core::store_get("runs").unwrap_or_default()
        ));

        let name = core::get_all_models()
            .into_iter()
            .next()
            .ok_or("no model")?;
        let model = core::get_model(&name).ok_or("a listed model is not there")?;
        let queue = model.create_queue();
        queue.set_priority(Priority::High);
        let answer = queue.debug_query("ping");
        answer.pollable().block();
        core::send(&format!("{name}: {}", answer.get().unwrap_or_default()));
        let done = queue.synchronize();
        done.pollable().block();
        core::send(&format!("synchronized: {:?}", done.get()));

        loop {
            let message = core::receive();
            message.pollable().block();
            match message.get().as_deref() {
                Some("bye") => return Ok(()),
                Some("fail") => return Err("as you wish".to_owned()),
                Some(text) => core::send(&format!("you said {text}")),
                None => return Err("ready, but nothing there".to_owned()),
            }
        }
    }
}
