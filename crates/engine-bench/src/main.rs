//! What the engine costs when Rust calls it: the limit for every binding.
//!
//! Prints one JSON object from the names of operations to nanoseconds for each. `benches/` runs it in turns with the
//! Python side and prints the ratios.

mod calls;
mod components;
mod instances;
mod timing;

use wasmtime::Result;

/// The operations measured, each with its time in nanoseconds.
type Figures = Vec<(&'static str, f64)>;

fn main() -> Result<()> {
    let mut figures = Figures::new();
    calls::measure(&mut figures)?;
    instances::measure(&mut figures)?;
    components::measure(&mut figures)?;
    let lines: Vec<_> = figures.iter().map(|(name, nanoseconds)| format!("  \"{name}\": {nanoseconds:.3}")).collect();
    println!("{{\n{}\n}}", lines.join(",\n"));
    Ok(())
}
