use pyo3::prelude::*;
#[pymodule]
mod _native {
    use super::*;
    #[pyfunction]
    fn probe(b: Vec<u8>) -> usize {
        let e = wasmtime::Engine::default();
        let m = wasmtime::Module::new(&e, &b).unwrap();
        m.exports().count()
    }
}
