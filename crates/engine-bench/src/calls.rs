//! Calls into WebAssembly and out of it, and copies to and from a memory.

use std::hint::black_box;

use wasmtime::{Engine, Linker, Module, Result, Store};

use crate::Figures;
use crate::timing::nanoseconds;

/// How many calls of the host one call of `call_host` makes.
const CALLBACKS: u32 = 1000;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, include_str!("../../../benches/guests/calls.wat"))?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "add", |a: i32, b: i32| black_box(a).wrapping_add(b))?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;

    let nop = instance.get_typed_func::<(), ()>(&mut store, "nop")?;
    figures.push(("nop", nanoseconds(|| nop.call(&mut store, ()))?));

    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
    figures.push(("add", nanoseconds(|| add.call(&mut store, black_box((1, 2))).map(drop))?));

    let call_host = instance.get_typed_func::<u32, i32>(&mut store, "call_host")?;
    let callbacks = nanoseconds(|| call_host.call(&mut store, CALLBACKS).map(drop))?;
    figures.push(("host call", callbacks / f64::from(CALLBACKS)));

    let scale = instance.get_typed_func::<f64, f64>(&mut store, "scale")?;
    figures.push(("scale", nanoseconds(|| scale.call(&mut store, black_box(1.0)).map(drop))?));

    let memory = instance.get_memory(&mut store, "memory").expect("the guest exports its memory");
    let read = nanoseconds(|| {
        // A new vector each time, as a binding has to make a new object.
        black_box(memory.data(&store)[..4096].to_vec());
        Ok(())
    })?;
    figures.push(("memory read 4 KiB", read));
    let bytes = vec![1; 4096];
    figures.push(("memory write 4 KiB", nanoseconds(|| Ok(memory.write(&mut store, 0, black_box(&bytes))?))?));
    Ok(())
}
