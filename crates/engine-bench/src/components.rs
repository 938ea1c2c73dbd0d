//! Calls of component functions, with the types known when this was compiled.

use std::hint::black_box;

use wasmtime::component::{Component, ComponentNamedList, Instance, Lift, Linker, Lower};
use wasmtime::{Engine, Result, Store};

use crate::Figures;
use crate::timing::nanoseconds;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let engine = Engine::default();
    let component = Component::new(&engine, include_str!("../../../benches/guests/component.wat"))?;
    let mut linker = Linker::new(&engine);
    linker.root().func_wrap("upper", |_, (text,): (String,)| Ok((text.to_ascii_uppercase(),)))?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &component)?;

    let mut guest = Guest { store, instance };
    figures.push(("component add", guest.call::<_, (i32,)>("add", (1, 2))?));
    figures.push(("component string", guest.call::<_, (String,)>("echo-string", ("hello world",))?));
    figures.push(("component host string", guest.call::<_, (String,)>("shout", ("hello world",))?));
    let bytes = vec![7_u8; 1000];
    figures.push(("component list<u8>", guest.call::<_, (Vec<u8>,)>("echo-bytes", (bytes.as_slice(),))?));
    let floats = vec![0.5; 1000];
    figures.push(("component list<f64>", guest.call::<_, (Vec<f64>,)>("echo-floats", (floats.as_slice(),))?));
    Ok(())
}

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    /// The nanoseconds that a call of the function called `name` takes.
    fn call<P, R>(&mut self, name: &str, params: P) -> Result<f64>
    where
        P: ComponentNamedList + Lower + Copy,
        R: ComponentNamedList + Lift + 'static,
    {
        let func = self.instance.get_typed_func::<P, R>(&mut self.store, name)?;
        nanoseconds(|| {
            black_box(func.call(&mut self.store, black_box(params))?);
            Ok(())
        })
    }
}
