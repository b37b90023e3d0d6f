"""The agent of `conformance/guests/real/akshi`, in Python: it counts its ticks in its database, notes each in its journal,
and logs what it found. A call that fails raises `Err`, which leaves `run` as its `err`."""

import wit_world
from wit_world.imports import host


class WitWorld(wit_world.WitWorld):
    def run(self) -> None:
        host.db_execute("CREATE TABLE IF NOT EXISTS ticks (n INTEGER)")
        host.db_execute("INSERT INTO ticks SELECT count(*) + 1 FROM ticks")
        rows = host.db_query("SELECT max(n) AS n FROM ticks")
        host.journal_append(f"tick {rows}")
        noted = host.journal_read(0).count("tick ")
        host.log("info", f"noted {noted}")
        dice = host.random_bytes(16)
        host.log("info", f"dice {len(dice)}")
        host.log("info", f"greeting {host.config_get('greeting')}")
