//! `LinkerInstance`: a place in a `Linker` where things are defined.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::host::Callback;
use super::linker::Linker;
use super::resource::ResourceType;
use crate::host::owner::CallableOwner;
use crate::managed::{Managed, managed};
use crate::module::Module;

/// An instance in a linker, whose items are looked up when a component imports the instance.
#[pyclass(frozen, weakref, module = "ferrowasm.component")]
pub(crate) struct LinkerInstance {
    linker: Py<Linker>,
    /// The names that lead here from the root.
    path: Managed<Vec<String>>,
}

impl LinkerInstance {
    pub(crate) fn new(linker: Py<Linker>, path: Vec<String>) -> LinkerInstance {
        LinkerInstance { linker, path: Managed::new("LinkerInstance", path) }
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.path.close();
        Ok(())
    }
}

#[pymethods]
impl LinkerInstance {
    /// Define an instance of this name in the instance, or open the one that was defined before.
    fn add_instance(&self, py: Python<'_>, name: &str) -> PyResult<LinkerInstance> {
        let path = self.path.get()?;
        self.linker.get().define(py, path, None, |instance| instance.instance(name).map(drop))?;
        let path = path.iter().cloned().chain([name.to_owned()]).collect();
        Ok(LinkerInstance::new(self.linker.clone_ref(py), path))
    }

    /// Define a core module.
    fn add_module(&self, py: Python<'_>, name: &str, module: &Bound<'_, Module>) -> PyResult<()> {
        let engine = self.linker.get().engine(py)?;
        let module = module.get().get_for(engine.get().get()?)?;
        self.linker.get().define(py, self.path.get()?, None, |instance| instance.module(name, module))
    }

    /// Define a resource type. `dtor(store, rep)` is called when a guest drops an owned resource of it.
    fn add_resource(
        &self,
        py: Python<'_>,
        name: &str,
        ty: &Bound<'_, ResourceType>,
        dtor: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (number, ty) = (ty.get().number(), ty.get().get()?);
        let owner = CallableOwner::new(dtor)?;
        let callback = Callback::new(owner.get().slot());
        self.linker.get().define(py, self.path.get()?, Some(owner.unbind()), |instance| {
            instance.resource(name, ty, move |ctx, rep| callback.destroy(ctx, number, rep))
        })
    }

    /// Define a function: `func(store, *args)` is called with a `StoreContext`, which expires when it returns, and the
    /// arguments.
    ///
    /// An exception that it raises comes out of the call into the component, as the same object. Its type is the one
    /// that a component imports it with.
    fn add_func(&self, py: Python<'_>, name: &str, func: &Bound<'_, PyAny>) -> PyResult<()> {
        let owner = CallableOwner::new(func)?;
        let callback = Callback::new(owner.get().slot());
        self.linker.get().define(py, self.path.get()?, Some(owner.unbind()), |instance| {
            instance.func_wrap(name, move |ctx, params| callback.call(ctx, params))
        })
    }

    fn __repr__(&self) -> String {
        match self.path.get() {
            Ok(path) => format!("<LinkerInstance /{}>", path.join("/")),
            Err(_) => "<LinkerInstance (closed)>".to_owned(),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.linker)
    }
}

managed!(LinkerInstance);
