//! An agent as people write them: it counts its ticks in its database, notes each in its journal, and logs what it found.

wit_bindgen::generate!({
    path: "../../../../wit/akshi",
    world: "agent",
});

use akshi::runtime::host;

struct Agent;

export!(Agent);

impl Guest for Agent {
    fn run() -> Result<(), String> {
        host::db_execute("CREATE TABLE IF NOT EXISTS ticks (n INTEGER)")?;
        host::db_execute("INSERT INTO ticks SELECT count(*) + 1 FROM ticks")?;
        let rows = host::db_query("SELECT max(n) AS n FROM ticks")?;
        host::journal_append(&format!("tick {rows}"))?;
        let entries = host::journal_read(0)?;
        let noted = entries.matches("tick ").count();
        host::log("info", &format!("noted {noted}"))?;
        let dice = host::random_bytes(16)?;
        host::log("info", &format!("dice {}", dice.len()))?;
        host::log(
            "info",
            &format!("greeting {}", host::config_get("greeting")?),
        )
    }
}
