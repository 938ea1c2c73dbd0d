//! A new store with an instance of a module whose imports are resolved.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, Linker, Module, PoolingAllocationConfig, Result, Store};

use crate::Figures;
use crate::timing::nanoseconds;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    figures.push(("instantiate, on demand", instantiation(&Config::new())?));
    let mut pooling = Config::new();
    pooling.allocation_strategy(InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::new()));
    figures.push(("instantiate, pooling", instantiation(&pooling)?));
    Ok(())
}

fn instantiation(config: &Config) -> Result<f64> {
    let engine = Engine::new(config)?;
    let module = Module::new(&engine, include_str!("../../../benches/guests/instance.wat"))?;
    let pre = Linker::new(&engine).instantiate_pre(&module)?;
    nanoseconds(|| {
        let mut store = Store::new(&engine, ());
        pre.instantiate(&mut store).map(drop)
    })
}
