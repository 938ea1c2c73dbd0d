//! `Tag`: exception tags.

use pyo3::prelude::*;

use crate::errors::{Misuse, OrRaise};
use crate::store::StoreArg;
use crate::types::TagType;

/// A tag in a store, which identifies a kind of WebAssembly exception: `Tag(store, ty)`, or exported by an instance.
#[pyclass(frozen, subclass, module = "ferrowasm")]
pub(crate) struct Tag {
    pub(crate) store_id: u64,
    pub(crate) tag: wasmtime::Tag,
}

#[pymethods]
impl Tag {
    #[new]
    fn new(store: &Bound<'_, PyAny>, ty: &Bound<'_, TagType>) -> PyResult<Tag> {
        let mut entry = StoreArg::new(store)?.enter()?;
        let ty = ty.get().to_engine(entry.ctx().engine())?;
        let tag = wasmtime::Tag::new(entry.ctx(), &ty).or_raise(store.py())?;
        Ok(Tag { store_id: entry.shared.id, tag })
    }

    /// The type of the tag.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<TagType> {
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Tag")?;
        Ok(TagType::wrap(&self.tag.ty(entry.ctx())))
    }

    /// Whether `other` is the same tag: one definition, not only one type.
    fn eq(&self, store: &Bound<'_, PyAny>, other: &Bound<'_, Tag>) -> PyResult<bool> {
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Tag")?;
        if other.get().store_id != self.store_id {
            return Err(Misuse::WrongStore("Tag").into());
        }
        Ok(wasmtime::Tag::eq(&self.tag, &other.get().tag, entry.ctx()))
    }

    fn __repr__(&self) -> &'static str {
        "<Tag>"
    }
}
