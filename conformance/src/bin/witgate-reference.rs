//! The reference host as a child process that speaks the adapter protocol: the model of an adapter, and the suite's own
//! check that the pipe changes nothing.

use std::io::{self, BufWriter};

fn main() -> anyhow::Result<()> {
    conformance::host::reference::keep_compiled()?;
    let output = BufWriter::new(io::stdout());
    Ok(conformance::host::reference::serve(
        io::stdin().lock(),
        output,
    )?)
}
